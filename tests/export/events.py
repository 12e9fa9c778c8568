"""What TensorBoard's own reader finds in an event file, as CSV: events.py FILE. Ends with 77 where it is not installed."""

import sys

try:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
except ImportError:
    sys.exit(77)

for event in LegacyEventFileLoader(sys.argv[1]).Load():
    for value in event.summary.value:
        print(f"{event.step},{value.tag},{value.simple_value!r}")
