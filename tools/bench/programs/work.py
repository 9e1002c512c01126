"""N rounds of what scripts do: numbers, strings, dictionaries, objects, sorting, recursion. Prints a checksum."""

import sys


class Tree:
    __slots__ = ("left", "right", "key")

    def __init__(self, key):
        self.left = self.right = None
        self.key = key

    def insert(self, key):
        side = "left" if key < self.key else "right"
        child = getattr(self, side)
        if child is None:
            setattr(self, side, Tree(key))
        else:
            child.insert(key)

    def __iter__(self):
        if self.left:
            yield from self.left
        yield self.key
        if self.right:
            yield from self.right


def sieve(limit):
    composite = bytearray(limit)
    for i in range(2, limit):
        if not composite[i]:
            yield i
            composite[i * i :: i] = b"\1" * len(range(i * i, limit, i))


def one_round(number):
    keys = [(i * 7919 + number) % 2003 for i in range(600)]
    tree = Tree(keys[0])
    for key in keys[1:]:
        tree.insert(key)
    words = [f"{key:x}-{key % 13}" for key in tree]
    counts = {}
    for word in words:
        for part in word.split("-"):
            counts[part] = counts.get(part, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ",".join(f"{name}={count}" for name, count in ordered)
    floats = sum(1.0 / prime for prime in sieve(4000))
    large = pow(3, 2000 + number) % (10**40 + 121)
    return hash_text(text) ^ int(floats * 1e12) ^ large


def hash_text(text):
    value = 0
    for char in text:
        value = (value * 31 + ord(char)) & 0xFFFFFFFF
    return value


def main():
    checksum = 0
    for number in range(int(sys.argv[1])):
        checksum = (checksum * 33 + one_round(number)) % (1 << 64)
    print(f"{checksum:016x}")


main()
