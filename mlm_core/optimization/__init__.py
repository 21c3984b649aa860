"""What an update is: learning rates, weight decay, dropout noise, loss scale."""
