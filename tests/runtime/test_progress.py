from __future__ import annotations

from lss.runtime import progress as module
from lss.runtime.progress import progress


def test_a_log_hears_of_a_nested_bar_only_where_it_takes_long(capsys, monkeypatch):
    assert list(progress(range(3), "outer", unit="epoch")) == [0, 1, 2]
    assert "outer" in capsys.readouterr().err
    list(progress(range(3), "inner", unit="step", nested=True))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_LINES", 0.0)
    list(progress(range(4), "inner", unit="step", nested=True))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("|")[-1].split()[0] for line in lines] == ["1/4", "2/4", "3/4"]
    assert all("<" in line for line in lines)  # elapsed<left
