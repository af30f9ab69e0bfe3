"""Reads lines of a time zone and a cron expression; for each, prints the Unix seconds of its ticks in a year."""
import sys
from datetime import datetime
from zoneinfo import ZoneInfo
from cronsim import CronSim

year = int(sys.argv[1])
for line in sys.stdin:
    zone, expression = line.rstrip("\n").split("\t")
    zone = ZoneInfo(zone)
    ticks = []
    for tick in CronSim(expression, datetime(year, 1, 1, tzinfo=zone)):
        if tick.year > year:
            break
        ticks.append(int(tick.timestamp()))
    print(" ".join(map(str, ticks)))
