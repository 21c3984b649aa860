"""Messages and progress on stderr: rows on a terminal, output in a notebook, else lines."""

from mlm_core.progress.counter import Counter
from mlm_core.progress.display import Progress
from mlm_core.progress.messages import show, show_last

__all__ = ["Counter", "Progress", "show", "show_last"]
