"""Reads an HTML page in a test."""

from html.parser import HTMLParser


class PageReader(HTMLParser):
    """Checks that what is opened is closed, and collects what the page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.pictures = [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links += [value for name, value in attributes if name in ("src", "href", "data", "poster")]
        if tag == "svg":
            self.pictures.append(found)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
