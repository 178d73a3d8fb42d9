"""Every statement the broker runs, one module for each subject, each with the reason for its shape."""
