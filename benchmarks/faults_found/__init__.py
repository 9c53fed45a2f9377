"""Every fault that trials found, tried again: what it was, what it is now, what is right. One file for each kind."""
