"""What the API reads and answers about orders and ESSMS, as strict types."""
