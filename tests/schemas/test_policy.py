"""The policy: defaults that agree with themselves, errors that say what to do, no setting that does nothing."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codes import DECAYED, Evidence, Moment
from schemas.policy import (
    ALL_MOMENTS,
    EVIDENCE,
    RECORD,
    SETTINGS,
    PolicyError,
    Setting,
    default_toml,
    parse,
)

ROOT = Path(__file__).parents[2]
DEFAULT = parse("")
BY_NAME = {one.name: one for one in SETTINGS}


def other_value(one: Setting) -> int | float:
    """A lawful value that is not the default, a little off it, so that borders keep their order."""
    if isinstance(one.default, int):
        return one.default + (1 if one.default < one.high else -1)
    up = one.default + (one.high - one.default) * 1e-3
    return up if up > one.default else one.default - (one.default - one.low) * 1e-3


# ---------------------------------------------------------------- the defaults


def test_the_defaults_written_out_are_the_defaults() -> None:
    assert parse(default_toml()).digest == DEFAULT.digest
    assert parse(default_toml()).record.tobytes() == DEFAULT.record.tobytes()
    assert re.fullmatch(r"[0-9a-f]{16}", DEFAULT.digest)


def test_every_setting_is_written_out_with_what_it_does() -> None:
    toml = default_toml()
    tables = tomllib.loads(toml)
    for one in SETTINGS:
        assert tables[one.section][one.key] == one.default
        assert one.doc
        assert f"{one.key} = {one.default}  # {one.doc}\n" in toml
    for rule in EVIDENCE:
        assert tables["evidence"][rule.kind.name.lower()]["weight"] == rule.weight


def test_defaults_lie_within_their_bounds_and_names_are_told_once() -> None:
    assert len(BY_NAME) == len(SETTINGS)
    for one in SETTINGS:
        assert one.low <= one.default <= one.high
        assert DEFAULT.record[one.name][0] == one.default
    assert [rule.kind for rule in EVIDENCE] == list(Evidence)
    assert RECORD["weight"].shape == (len(Evidence),)


def test_all_moments_are_told() -> None:
    assert len(ALL_MOMENTS) == len(Moment)
    told = int(DEFAULT.record["moments"][0])
    assert [moment for moment in Moment if not told >> moment & 1] == []
    everything = parse(f"[service]\nmoments = {list(ALL_MOMENTS)}")
    assert int(everything.record["moments"][0]) == sum(1 << moment for moment in Moment)
    assert int(parse("[service]\nmoments = []").record["moments"][0]) == 0
    assert parse(f"[service]\nmoments = {list(reversed(ALL_MOMENTS)) * 2}").digest == DEFAULT.digest


# ---------------------------------------------------------------- changes


@pytest.mark.parametrize("name", BY_NAME)
def test_a_changed_setting_changes_the_digest(name: str) -> None:
    one = BY_NAME[name]
    changed = parse(f"[{one.section}]\n{one.key} = {other_value(one)!r}")
    assert changed.record[name][0] == other_value(one) != one.default
    assert changed.digest != DEFAULT.digest
    rest = [field for field in RECORD.names or () if field != name]
    assert all(np.array_equal(changed.record[field], DEFAULT.record[field]) for field in rest)


@pytest.mark.parametrize("kind", Evidence)
def test_a_changed_weight_or_half_life_changes_the_digest(kind: Evidence) -> None:
    fades = kind is not Evidence.UNANSWERED_TICKET
    for key, column in (("weight", "weight"), ("half_life_days", "half_life_days"))[: 2 if fades else 1]:
        changed = parse(f"[evidence.{kind.name.lower()}]\n{key} = 7.5")
        assert changed.record[column][0, kind] == 7.5
        assert changed.digest != DEFAULT.digest


def test_version_and_moments_are_part_of_the_digest_and_comments_are_not() -> None:
    assert parse("[policy]\nversion = 2").digest != DEFAULT.digest
    assert parse("[policy]\nversion = 2").version == 2
    assert parse('[service]\nmoments = ["rude_call"]').digest != DEFAULT.digest
    assert parse("# a remark\n[policy]\nversion = 1\n").digest == DEFAULT.digest


# ---------------------------------------------------------------- errors


def refusal(toml: str) -> str:
    with pytest.raises(PolicyError) as caught:
        parse(toml, "shop.toml")
    sentence = str(caught.value)
    assert sentence.startswith("shop.toml: ")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", BY_NAME)
def test_each_bad_setting_is_one_sentence_that_says_where_what_and_what_is_allowed(name: str) -> None:
    one = BY_NAME[name]
    whole = isinstance(one.default, int)
    below, above = (one.low - 1, one.high + 1) if whole else (one.low - 0.5, one.high * 1.5 + 1)
    for bad in (int(below) if whole else below, int(above) if whole else above, 10**400, -(10**400)):
        expected = f"shop.toml: [{one.section}] {one.key} = {bad!r} must lie between {one.low:g} and {one.high:g}"
        assert refusal(f"[{one.section}]\n{one.key} = {bad!r}") == expected
    for toml, shown in (('"5"', "'5'"), ("true", "True"), ("[1]", "[1]"), ("nan", "nan"), ("inf", "inf")):
        sentence = refusal(f"[{one.section}]\n{one.key} = {toml}")
        assert sentence.startswith(f"shop.toml: [{one.section}] {one.key} = {shown} must ")
        assert sentence.endswith((f"from {one.low:g} to {one.high:g}", f"between {one.low:g} and {one.high:g}"))
    if whole:
        assert "must be a whole number" in refusal(f"[{one.section}]\n{one.key} = 1.5")


SENTENCES = {
    "[": "not valid TOML",
    "[cost\n": "not valid TOML",
    "a = 1\na = 2": "not valid TOML",
    f"a = {'9' * 5_000}": "not valid TOML",
    f"a = {'[' * 20_000}": "not valid TOML",
    "[price]\nemail_cents = 1": "[price] is not known; allowed are best, breaker, churn, cost, economics, ",
    "[cost]\nemail = 1": "[cost] email is not known; allowed are voice_cents_per_minute, ",
    "cost = 1": "[cost] must be a table, not 1",
    "policy = 1": "[policy] must be a table, not 1",
    "evidence = 1": "[evidence] must be a table, not 1",
    "[evidence]\nrude_call = 1": "[evidence.rude_call] must be a table, not 1",
    "[evidence.rudeness]\nweight = 1": "[evidence] rudeness is not known; allowed are unresolved_repeat, ",
    "[evidence.rude_call]\nwait = 1": "[evidence.rude_call] wait is not known; allowed are weight, half_life_days",
    "[evidence.rude_call]\nweight = 11": "[evidence.rude_call] weight = 11 must lie between -10 and 10",
    "[evidence.rude_call]\nhalf_life_days = 0": "half_life_days = 0 must lie between 0.1 and 3650",
    "[policy]\nversion = 0": "[policy] version = 0 must lie between 1 and ",
    "[policy]\nversion = 1.0": "[policy] version = 1.0 must be a whole number",
    "[policy]\nname = 'x'": "[policy] name is not known; allowed are version",
    "[service]\nmoments = 'rude_call'": "[service] moments = 'rude_call' must be a list of rude_call, ",
    "[service]\nmoments = ['rude']": "[service] moments = ['rude'] must be a list of rude_call, ",
    "[service]\nmoments = [['rude_call']]": "must be a list of rude_call, ",
    "[value]\nclear_probability = 0.95": "[value] clear_probability = 0.95 must be less than [value] enter_",
    "[churn]\nclear_probability = 0.5": "clear_probability = 0.5 must be less than [churn] enter_probability",
    "[churn]\nenter_probability = 0.7": "enter_probability = 0.7 must be less than [churn] high_probability",
    "[value]\ncompany_share_enter = 0.6": "enter = 0.6 must be less than [value] company_share_clear",
    "[value]\nsevere_annual_cents = -5000": "severe_annual_cents = -5000 must be less than [value] enter_annual",
}


@pytest.mark.parametrize(("toml", "part"), SENTENCES.items(), ids=[toml[:40].strip() for toml in SENTENCES])
def test_what_is_said_of_a_policy_that_cannot_be_used(toml: str, part: str) -> None:
    assert part in refusal(toml)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=200)
    | st.builds(
        "[{}]\n{} = {}".format,
        st.sampled_from(sorted({one.section for one in SETTINGS} | {"policy", "evidence"})),
        st.sampled_from([one.key for one in SETTINGS] + ["moments", "version", "rude_call"]),
        st.integers().map(str) | st.floats().map(str) | st.sampled_from(["''", "[]", "{}", "1979-05-27", "true"]),
    )
)
def test_any_text_is_a_policy_or_one_sentence(toml: str) -> None:
    try:
        policy = parse(toml, "shop.toml")
    except PolicyError as error:
        sentence = str(error)
    else:
        sentence = "shop.toml: "
        assert parse(policy.toml).digest == policy.digest
    assert sentence.startswith("shop.toml: ")


# ---------------------------------------------------------------- no setting does nothing


def read_names() -> dict[str, list[str]]:
    """For each name by which a record of rules is subscripted in kernels/ and streams/, the files that do."""
    found: dict[str, list[str]] = {}
    for path in sorted((*ROOT.glob("kernels/*.py"), *ROOT.glob("streams/**/*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
                continue
            owner = ast.unparse(node.value).split(".")[-1].split("[")[0]
            if owner in {"rules", "rule", "record"} and isinstance(node.slice.value, str):
                found.setdefault(node.slice.value, []).append(path.name)
    return found


def test_every_setting_is_read_by_a_kernel_or_a_stream() -> None:
    dead = sorted(set(BY_NAME) - set(read_names()))
    assert not dead, f"settings that nobody reads: {dead}"
    assert {"weight", "half_life_days", "moments"} <= set(read_names())


def test_nobody_reads_a_setting_that_is_not_there() -> None:
    unknown = {name: files for name, files in read_names().items() if name not in (RECORD.names or ())}
    assert not unknown


def test_half_lives_are_offered_for_what_decays() -> None:
    tables = tomllib.loads(default_toml())["evidence"]
    with_half_life = [name for name, table in tables.items() if "half_life_days" in table]
    assert with_half_life == [kind.name.lower() for kind in list(Evidence)[:DECAYED]]
