_nothing = 1
