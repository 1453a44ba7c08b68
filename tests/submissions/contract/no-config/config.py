batch_size = 64
