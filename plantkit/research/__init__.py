"""What organisers and scientists ask: leaks, other tickets, existence, published studies."""
