"""What a power loss leaves of a folder: a model of a disk, fed with a journal of what programs did (journal.c).

Contents of a file are safe once the file was synced, names in a folder once the folder was. What was done since may be there or
not, each write for itself: that is all that POSIX promises. Names made since come and go in their order, as file systems with a
journal have it, or are all lost."""
import os
import random


class File:
    """Contents as programs see them, as the disk is sure to have them, and what was done in between."""

    def __init__(self):
        self.now, self.safe, self.since = bytearray(), bytearray(), []

    def put(self, at, data):
        self.since.append((at, data))
        apply_change(self.now, at, data)

    def resize(self, size):
        self.since.append((size, None))
        apply_change(self.now, size, None)

    def sync(self):
        self.safe, self.since = bytearray(self.now), []


def apply_change(content, at, data):
    end = at if data is None else at + len(data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[at:]
    else:
        content[at:end] = data


class Names:
    """Paths to files, or to None for folders."""

    def __init__(self, entries=None):
        self.of = dict(entries or {})

    def change(self, what, path, to, file):
        if what in ("made", "mkdir"):
            self.of[path] = file
        elif what == "rename":
            moved = self.of.pop(path, None) or file
            self.of[to] = moved
        else:
            self.of.pop(path, None)


class Disk:
    def __init__(self, folder):
        self.folder, self.files = folder, {}
        self.now, self.safe, self.since = Names(), Names(), []  # since: changes of names that are not safe yet

    def play(self, record):
        what, fields, data = record
        if what == "made":
            self.files[fields[0]] = File()
            self.rename("made", fields[1], None, self.files[fields[0]])
        elif what == "data":
            self.files[fields[0]].put(int(fields[1]), data)
        elif what == "size":
            self.files[fields[0]].resize(int(fields[1]))
        elif what == "synced":
            self.files[fields[0]].sync()
        elif what == "synced-folder":
            for change in [c for c in self.since if os.path.dirname(c[1]) == fields[0]]:
                self.safe.change(*change)
            self.since = [c for c in self.since if os.path.dirname(c[1]) != fields[0]]
        else:
            to = fields[1] if what == "rename" else None
            self.rename(what, fields[0], to, self.now.of.get(fields[0]))

    def rename(self, what, path, to, file):
        change = (what, path, to, file)
        self.now.change(*change)
        self.since.append(change)

    def after(self, loss, draw=None):
        """path -> bytes, or None for a folder, as found after a power loss of this kind; names relative to the folder."""
        names = self.safe
        if loss in ("data", "zeros"):
            names = self.now
        elif loss == "some":
            names = Names(self.safe.of)
            for change in self.since[: draw.randrange(len(self.since) + 1)]:
                names.change(*change)
        found = {}
        for path, file in names.of.items():
            if not self.reached(names, path):
                continue
            found[os.path.relpath(path, self.folder)] = None if file is None else bytes(self.content(file, loss, draw))
        return found

    def reached(self, names, path):
        """All folders above are there."""
        above = os.path.dirname(path)
        return above == self.folder or (above in names.of and self.reached(names, above))

    @staticmethod
    def content(file, loss, draw):
        if loss == "names":
            return file.now
        content = bytearray(file.safe)
        if loss == "zeros" and len(file.now) > len(content):  # a size that came before its data
            content.extend(bytes(len(file.now) - len(content)))
        if loss == "some":
            for at, data in file.since:
                kept = draw.choice(("all", "none", "part"))
                if kept == "part" and data:  # whole sectors of 512 bytes
                    begin = draw.randrange(0, len(data), 512)
                    at, data = at + begin, data[begin : begin + 512 * draw.randrange(1, 20)]
                if kept != "none":
                    apply_change(content, at, data)
        return content


# What is lost of all that was not synced: contents but not names; contents, where sizes stay; names but not contents; both; some.
LOSSES = ("data", "zeros", "names", "both", "some")


def read_journal(path):
    """The records in order: what, fields, bytes."""
    with open(path, "rb") as f:
        while line := f.readline():
            what, *fields = line.decode().rstrip("\n").split("\t")
            yield what, fields, f.read(int(fields[2])) if what == "data" else None


def make_folder(found, folder):
    for path, content in sorted(found.items()):
        path = os.path.join(folder, path)
        if content is None:
            os.makedirs(path, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)


def draw_for(seed, n):
    return random.Random(seed * 1000003 + n)
