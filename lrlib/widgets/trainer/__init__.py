"""What trains: programs and data for a page, the trainer that runs them there, and labs made of both."""
