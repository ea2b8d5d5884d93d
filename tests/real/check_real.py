#!/usr/bin/env python3
"""check_real.py - compare a server's answers with the files they came from.

Reads the Beijing air files, AEP_hourly.csv and delaware_saltfront_daily.csv with Python's own csv
module, computes count, sum, mean, min and max over all rows, for each station and for each month
(UTC), and asks a server the same over /query. Counts, minima and maxima must be equal, sums and
means within 1e-12; every row of one station, of AEP and of the salt front must come back with the
double that its cell stands for.

It shares nothing with phusa: no code, no parser, no table of time zones (zoneinfo is Python's).

    check_real.py --url http://127.0.0.1:8086 --db real --data ../shared/data
"""

import argparse
import calendar
import csv
import datetime
import glob
import json
import math
import os
import pickle
import sys
import urllib.error
import urllib.parse
import urllib.request

AIR_FIELDS = ["PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "WSPM"]
TOLERANCE = 1e-12
SHOWN_MAX = 50
UTC = datetime.timezone.utc


# ---- the files ----


class Rows:
    """Of one measurement: (series, time in s) -> {field: number or text}; the later row wins."""

    def __init__(self, name, tag, fields, texts=()):
        self.name, self.tag, self.fields, self.texts = name, tag, fields, list(texts)
        self.rows = {}

    def add(self, series, second, values):
        if values:
            self.rows.setdefault((series, second), {}).update(values)


def utc_second(moment):
    return calendar.timegm(moment.utctimetuple())


def read_air(directory):
    zone = datetime.timezone(datetime.timedelta(hours=8))
    rows = Rows("air", "station", AIR_FIELDS, ["wd"])
    for path in sorted(glob.glob(os.path.join(directory, "beijing_air", "*.csv"))):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                moment = datetime.datetime(
                    int(row["year"]), int(row["month"]), int(row["day"]), int(row["hour"]),
                    tzinfo=zone)
                values = {f: float(row[f]) for f in AIR_FIELDS if row[f] not in ("", "NA")}
                if row["wd"] not in ("", "NA"):
                    values["wd"] = row["wd"]
                rows.add(row["station"], utc_second(moment), values)
    return rows


def read_load(directory):
    """US Eastern time. An hour that comes twice is its first instant unless the row before it has
    reached that already; an hour that never comes is shifted forward: both as Python's fold=0."""
    import zoneinfo

    zone = zoneinfo.ZoneInfo("America/New_York")
    rows = Rows("load", "area", ["load"])
    before = None
    with open(os.path.join(directory, "pjm_load", "AEP_hourly.csv"), newline="") as file:
        for row in csv.DictReader(file):
            local = datetime.datetime.strptime(row["datetime"], "%m/%d/%Y %H:%M")
            first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
            second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
            chosen = second if before is not None and first <= before < second else first
            before = chosen
            rows.add("AEP", utc_second(chosen), {"load": float(row["load"])})
    return rows


def read_salt(directory):
    fields = ["saltfront_daily", "saltfront7_weekly"]
    rows = Rows("salt", "estuary", fields)
    path = os.path.join(directory, "salt_front", "delaware_saltfront_daily.csv")
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            if row["datetime"] == "":
                continue
            moment = datetime.datetime.strptime(row["datetime"], "%Y-%m-%dT%H:%M:%SZ")
            values = {f: float(row[f]) for f in fields if row[f] not in ("", "NA")}
            rows.add("delaware", utc_second(moment.replace(tzinfo=UTC)), values)
    return rows


# ---- what is expected ----


def month_start(second):
    moment = datetime.datetime.fromtimestamp(second, UTC)
    return calendar.timegm((moment.year, moment.month, 1, 0, 0, 0))


def summary(numbers):
    total = math.fsum(numbers)
    return {"count": len(numbers), "sum": total, "mean": total / len(numbers),
            "min": min(numbers), "max": max(numbers)}


class Expected:
    """What a server must say of one measurement; small, and can be pickled."""

    def __init__(self, rows):
        self.name, self.tag, self.fields, self.texts = rows.name, rows.tag, rows.fields, rows.texts
        months = {second: month_start(second) for _, second in rows.rows}
        groups = {field: ({}, {}, {}) for field in rows.fields + rows.texts}
        for (series, second), values in rows.rows.items():
            month = months[second]
            for field, value in values.items():
                whole, by_series, by_month = groups[field]
                whole.setdefault("all", []).append(value)
                by_series.setdefault(series, []).append(value)
                by_month.setdefault(month, []).append(value)
        self.groups = {field: [{key: summary(numbers) for key, numbers in one.items()}
                               for one in groups[field]] for field in rows.fields}
        self.text_counts = {field: {key: len(texts) for key, texts in groups[field][1].items()}
                            for field in rows.texts}
        self.months = self.all_months(set(months.values()))
        self.series = min(series for series, _ in rows.rows)
        self.series_rows = {second: values for (series, second), values in rows.rows.items()
                            if series == self.series}
        self.point_count = len(rows.rows)
        self.value_count = sum(whole["all"]["count"] for whole, _, _ in self.groups.values())

    @staticmethod
    def all_months(starts):
        """Every month from the first to the one after the last."""
        moment = datetime.datetime.fromtimestamp(min(starts), UTC)
        year, month, all_starts = moment.year, moment.month, []
        while not all_starts or all_starts[-1] <= max(starts):
            all_starts.append(calendar.timegm((year, month, 1, 0, 0, 0)))
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return all_starts


# ---- the server ----


class Server:
    def __init__(self, url, database):
        self.url, self.database = url.rstrip("/"), database

    def ask(self, statement):
        """The series of one statement, chunks joined."""
        parameters = {"db": self.database, "epoch": "s", "chunked": "true", "q": statement}
        body = urllib.parse.urlencode(parameters).encode()
        series = []
        try:
            answer = urllib.request.urlopen(self.url + "/query", data=body, timeout=300)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{statement}\n  {error.code}: {error.read().decode()}") from error
        with answer:
            for line in answer:
                document = json.loads(line)
                for result in [document] + document.get("results", []):
                    if "error" in result:
                        raise SystemExit(f"{statement}\n  {result['error']}")
                    series += result.get("series", [])
        return series


AGGREGATES = ["count", "sum", "mean", "min", "max"]


def calls(field):
    return ", ".join(f'{function}("{field}") AS {function}' for function in AGGREGATES)


def found_rows(series, key):
    found = {}
    for one in series:
        for row in one["values"]:
            values = dict(zip(one["columns"], row))
            if values.get("count"):
                found[key(one, values)] = values
    return found


class Checker:
    def __init__(self, server, months):
        self.server, self.months = server, months
        self.compared = self.wrong = 0

    def expect(self, what, expected, found, exact=True):
        self.compared += 1
        if expected == found:
            return
        if not exact and isinstance(found, (int, float)) and \
                math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=0):
            return
        self.wrong += 1
        if self.wrong <= SHOWN_MAX:
            print(f"MISMATCH {what}: expected {expected!r}, the server says {found!r}")

    def expect_groups(self, what, expected, found):
        for key in sorted(set(expected) | set(found), key=str):
            name = f"{what} {key}"
            if key not in found or key not in expected:
                self.expect(name, key in expected, key in found)
                continue
            for function in AGGREGATES:
                self.expect(f"{function} {name}", expected[key][function],
                            found[key].get(function), exact=function not in ("sum", "mean"))

    def whole(self, measurement, field):
        found = found_rows(self.server.ask(f'SELECT {calls(field)} FROM "{measurement.name}"'),
                           lambda one, values: "all")
        self.expect_groups(f"{measurement.name}.{field}", measurement.groups[field][0], found)

    def by_series(self, measurement, field):
        series = self.server.ask(f'SELECT {calls(field)} FROM "{measurement.name}" '
                                 f'GROUP BY "{measurement.tag}"')
        found = found_rows(series, lambda one, values: one["tags"][measurement.tag])
        self.expect_groups(f"{measurement.name}.{field}", measurement.groups[field][1], found)

    def by_month(self, measurement, field):
        starts = measurement.months
        if self.months == "group":
            series = self.server.ask(
                f'SELECT {calls(field)} FROM "{measurement.name}" WHERE time >= {starts[0]}s '
                f'AND time < {starts[-1]}s GROUP BY time(1mo) fill(none)')
            found = found_rows(series, lambda one, values: values["time"])
        else:  # a server without calendar months: one question for each
            found = {}
            for start, end in zip(starts, starts[1:]):
                series = self.server.ask(f'SELECT {calls(field)} FROM "{measurement.name}" '
                                         f'WHERE time >= {start}s AND time < {end}s')
                found.update(found_rows(series, lambda one, values, start=start: start))
        self.expect_groups(f"{measurement.name}.{field} month", measurement.groups[field][2], found)

    def texts(self, measurement, field):
        found = {}
        for one in self.server.ask(f'SELECT count("{field}") AS count FROM "{measurement.name}" '
                                   f'GROUP BY "{measurement.tag}"'):
            found[one["tags"][measurement.tag]] = one["values"][0][1]
        self.expect(f"count {measurement.name}.{field}", measurement.text_counts[field], found)

    def every_row(self, measurement):
        fields = measurement.fields + measurement.texts
        selected = ", ".join(f'"{field}"' for field in fields)
        found = {}
        for one in self.server.ask(f'SELECT {selected} FROM "{measurement.name}" '
                                   f'WHERE "{measurement.tag}" = \'{measurement.series}\''):
            for row in one["values"]:
                found[row[0]] = {f: v for f, v in zip(fields, row[1:]) if v is not None}
        name = f"{measurement.name} {measurement.series}"
        for second in sorted(set(measurement.series_rows) | set(found)):
            self.expect(f"row {name} {second}", measurement.series_rows.get(second),
                        found.get(second))

    def check(self, measurement):
        before = self.compared
        for field in measurement.fields:
            self.whole(measurement, field)
            self.by_series(measurement, field)
            self.by_month(measurement, field)
        for field in measurement.texts:
            self.texts(measurement, field)
        self.every_row(measurement)
        print(f"{measurement.name}: {measurement.point_count} points, {measurement.value_count} "
              f"numbers, {self.compared - before} comparisons")


def read_all(directory, only):
    found = []
    for name, read in [("air", read_air), ("load", read_load), ("salt", read_salt)]:
        if only and name not in only:
            continue
        try:
            rows = read(directory)
        except (ImportError, KeyError) as error:
            if name != "load":
                raise
            print(f"load: skipped, Python has no time zones here ({error})")
            continue
        if not rows.rows:
            raise SystemExit(f"{name}: no rows in {directory}")
        found.append(Expected(rows))
    return found


def read_or_recall(options):
    """The files take longer than the questions: run.sh asks several times."""
    if options.cache and os.path.exists(options.cache):
        with open(options.cache, "rb") as file:
            return pickle.load(file)
    found = read_all(options.data, options.only)
    if options.cache:
        with open(options.cache, "wb") as file:
            pickle.dump(found, file)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8086")
    parser.add_argument("--db", default="real")
    parser.add_argument("--data", required=True, help="the folder with beijing_air/ and the others")
    parser.add_argument("--months", choices=["group", "where"], default="group",
                        help="ask months by GROUP BY time(1mo), or one WHERE for each")
    parser.add_argument("--only", choices=["air", "load", "salt"], action="append")
    parser.add_argument("--cache", help="keep what is expected in this file, or take it from there")
    options = parser.parse_args()

    checker = Checker(Server(options.url, options.db), options.months)
    for measurement in read_or_recall(options):
        checker.check(measurement)
    if checker.wrong > SHOWN_MAX:
        print(f"... and {checker.wrong - SHOWN_MAX} more")
    print(f"{checker.compared} comparisons, {checker.wrong} mismatches")
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
