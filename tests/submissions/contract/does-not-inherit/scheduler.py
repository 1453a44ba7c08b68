class CustomLRScheduler:
    def __init__(self, optimizer):
        pass
