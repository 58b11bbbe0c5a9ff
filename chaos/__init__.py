"""What goes wrong on the worst day, done on purpose while visitors, orders and bookings go on."""
