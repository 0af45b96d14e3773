"""Legal, unique names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch2hw.dialects.names import UniqueNames, identifier, is_legal


@pytest.mark.parametrize(
    ("text", "name"),
    [("a b", "a_b"), ("__x__", "x"), ("0.weight", "x0_weight"), ("größe", "gr_e"), ("", "x"), ("___", "x")],
)
def test_identifier(text: str, name: str) -> None:
    assert identifier(text) == name


def test_taken_names_are_numbered() -> None:
    names = UniqueNames()
    assert [names.take(text) for text in ("a", "a", "a_1", "a", "wire", "go")] == [
        "a",
        "a_1",
        "a_1_1",
        "a_2",
        "wire_1",
        "go_1",
    ]


@given(st.lists(st.text(max_size=6), max_size=12))
def test_any_text_gets_a_legal_name_of_its_own(texts: list[str]) -> None:
    names = UniqueNames()
    given_names = [names.take(text) for text in texts]
    assert all(is_legal(name) and name.isascii() for name in given_names)
    assert len(set(given_names)) == len(given_names)
