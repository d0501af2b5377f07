def add_surroundings(*a): pass
def add_link(*a): pass
def add_bolt(*a): pass
