"""What hosts a lab: its controls, its output in a notebook and in a static page, how it travels."""
