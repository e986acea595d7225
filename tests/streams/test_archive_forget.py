"""An archive without one customer: no byte of them is left, and everybody else is judged as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from streams import archive, archiveforget
from streams.archive import About
from streams.archivecheck import check
from streams.archiveforget import Forgotten, forget
from streams.ledgerfile import FileError, Frame
from streams.pipeline import Pipeline, Record
from tests.command import whaleline
from tests.driver import Driver, feed
from tests.worlds import START_MS, world

CUSTOMER = "canary-51d2c0aa"
ABOUT = About("ledger", UUID(int=7), 1)


def lived() -> Driver:
    """A month of five others, and one who is let down, named by somebody else, erased, and comes back."""
    driver = Driver(now_ms=START_MS)
    feed(driver, world(5, 120, customers=5, span_days=20))
    for kind, fields in (("rude_call", {"observer": "qa"}), ("ticket_opened", {"case_id": "T"})):
        driver.support(kind, CUSTOMER, **fields)
    driver.support("referral_given", "C1", referred_customer_id=CUSTOMER)
    driver.wait(days=1)
    driver.erase(CUSTOMER)
    driver.wait(days=1)
    driver.support("praise", CUSTOMER, observer="qa")
    driver.support("referral_given", "C2", referred_customer_id=CUSTOMER)
    feed(driver, world(6, 60, customers=5, span_days=30))
    driver.wait(days=5)
    return driver


@pytest.fixture(scope="module")
def driver() -> Driver:
    return lived()


def kept(driver: Driver, path: Path) -> Path:
    archive.begin(path, ABOUT)
    archive.write(path, [Frame(0, one.offset, one.append_ms, one.value) for one in driver.ledger[0]])
    return path


def holds(path: Path, text: str) -> list[Path]:
    """Files that hold the text in a value or in what Parquet says of itself: compressed, so each is read."""
    found = []
    for file in sorted(path.rglob("*.parquet")):
        said = str(pq.read_metadata(file).row_group(0).to_dict() if pq.read_metadata(file).num_row_groups else "")
        values = [str(value) for column in pq.read_table(file).columns for value in column.to_pylist()]
        if text in said or any(text in value for value in values) or text.encode() in file.read_bytes():
            found.append(file)
    return found


def judged(path: Path) -> tuple[dict[bytes, bytes], list[Any]]:
    """Rows and alerts of everybody else."""
    pipeline, alerts = Pipeline("whaleline"), []
    for frame in archive.read(path)[1]:
        alerts += pipeline.step(Record(frame.offset, frame.append_ms, frame.value)).produced
    rows = {name: row.tobytes() for name, row in pipeline.settled_rows().items() if name != CUSTOMER.encode()}
    return rows, [one for one in alerts if one.customer_id != CUSTOMER]


def test_no_byte_is_left_and_everybody_else_is_judged_as_before(driver: Driver, tmp_path: Path) -> None:
    path = kept(driver, tmp_path / "kept")
    before, offsets = judged(path), check(path)
    assert len(holds(path, CUSTOMER)) > 2  # the check can see it: records and tables of events
    assert before[1]
    result = whaleline("archive", "forget", path, CUSTOMER, "--yes")
    assert result.exit_code == 0, result.output
    assert "3 events taken out, 2 of others no longer name them" in result.stdout
    assert holds(path, CUSTOMER) == []
    assert check(path) == offsets
    assert judged(path) == before
    assert forget(path, CUSTOMER, None) == Forgotten(0, 0, 0)


def test_who_came_back_keeps_what_came_after(driver: Driver, tmp_path: Path) -> None:
    path = kept(driver, tmp_path / "kept")
    found = forget(path, CUSTOMER, driver.receipts[0].erased_ms)
    assert (found.events, found.mentions) == (2, 1)
    pipeline = Pipeline("whaleline")
    for frame in archive.read(path)[1]:
        pipeline.step(Record(frame.offset, frame.append_ms, frame.value))
    row = pipeline.settled_rows()[CUSTOMER.encode()]
    assert (int(row["news_ms"][0]) >= 0, int(row["case_id"][0, 0])) == (True, 0)


def test_cut_anywhere_it_goes_on(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends between a file's table of events and its records, and after each file; once more and it is done."""
    whole = kept(driver, tmp_path / "whole")
    forget(whole, CUSTOMER, None)
    wanted, records = list(archive.read(whole)[1]), archive._write_records
    for steps in range(4):
        path, left = kept(driver, tmp_path / f"cut-{steps}"), [steps]

        def cut(*given: Any, left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            records(*given)

        monkeypatch.setattr(archive, "_write_records", cut)
        try:
            forget(path, CUSTOMER, None)
        except KeyboardInterrupt:
            assert holds(path, CUSTOMER)
        monkeypatch.setattr(archive, "_write_records", records)
        forget(path, CUSTOMER, None)
        assert list(archive.read(path)[1]) == wanted
        assert holds(path, CUSTOMER) == []


def test_what_is_no_archive_is_refused_and_no_is_no(driver: Driver, tmp_path: Path) -> None:
    with pytest.raises(FileError):
        forget(tmp_path, CUSTOMER, None)
    path = kept(driver, tmp_path / "kept")
    assert whaleline("archive", "forget", path, CUSTOMER).exit_code == 1
    assert holds(path, CUSTOMER)
    assert archiveforget.files_of(path) > 10


def test_what_a_run_that_was_ended_left_behind_is_neither_counted_twice_nor_kept(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events were written and its records were not; the next run writes both, under other offsets."""
    some = [Frame(0, one.offset, one.append_ms, one.value) for one in driver.ledger[0]]

    def full(*_: object) -> None:
        raise FileError("no room left")

    path = tmp_path / "kept"
    archive.begin(path, ABOUT)
    with monkeypatch.context() as patched:
        patched.setattr(archive, "_write_records", full)
        with pytest.raises(FileError, match="no room"):
            archive.write(path, some[:2])
    (path / ".archive.json.0123.part").write_bytes(CUSTOMER.encode())
    archive.write(path, some)
    (left,) = {*path.glob("events/*/*/*.parquet")} - {
        path / "events" / one.path.relative_to(path) for files in archive.pieces(path).values() for one in files
    }
    forget(path, CUSTOMER, None)
    assert not left.exists()
    assert not list(path.rglob(".*.part"))
    check(path)
