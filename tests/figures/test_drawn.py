"""The figures of ``dashboards/``: what they show at each phase, by hand."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM
from figures.known import HIDDEN, known

from kdsearch.errors import KdsearchError
from kdsearch.figures import labels, rounded, view
from kdsearch.figures.files import drawn, figure_files, names, write
from kdsearch.ledger.records import StudyResults

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
FIGURES: dict[str, Callable[[StudyResults], Any]] = dict(figure_files(FOLDER))
LARGEST = 200_000


def trace(figure: Any, name: str) -> Any:
    return next(row for row in figure.data if row.name is not None and row.name.startswith(name))


def test_all_figures_that_are_asked_for_are_there() -> None:
    assert set(FIGURES) == {
        "leaderboard", "seeds", "effects", "pairs", "importance", "curves", "spending", "differences", "inflation",
        "luck", "validation_test", "cost",
    }  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("phase", ["teacher", "search", "confirm", "finished"])
def test_a_figure_at_each_phase(name: str, phase: str) -> None:
    found = known(phase)
    if phase == "teacher":
        found = replace(found, runs=())
    figure = FIGURES[name](found)
    text = figure.to_json()
    assert len(text) < LARGEST
    assert str(HIDDEN) not in text  # test scores of search runs are nobody's business
    assert found.study.name in figure.layout.title.text
    if phase == "search":
        fresh = {run.score for run in known().runs if run.pool == "confirm"}
        assert not any(str(score) in text for score in fresh)


@pytest.mark.parametrize("name", FIGURES)
def test_a_users_texts_are_no_tags(name: str) -> None:
    found = known()
    rows = {id_: replace(row, name=f"<b>{row.name}</b>") for id_, row in found.configurations.items()}
    study = replace(found.study, name="<i>s</i>", metric="<u>m</u>", description="<script>x</script>")
    text = json.dumps(json.loads(FIGURES[name](replace(found, study=study, configurations=rows)).to_json()))
    own = text.replace("<b>&lt;", "&lt;")  # the title's own tag
    for tag in ("<i>s", "<u>m", "<script>", "<b>c", "<b>usual"):
        assert tag not in own


def test_leaderboard_is_ordered_by_the_posterior_and_has_winner_and_baselines() -> None:
    found = known()
    seen = view(found)
    figure = FIGURES["leaderboard"](found)
    order = list(figure.layout.yaxis.categoryarray)[::-1]
    leading = [row for row in seen.standings if row.n > 1]
    assert [name.split(" ")[0] for name in order[: len(leading)]] == [row.configuration.name for row in leading]
    assert order[-1] == "usual"
    winner = trace(figure, "winner")
    assert list(winner.x) == [row.estimate for row in leading if row.id == seen.winner_id]
    assert list(winner.error_x.array) == [1.96 * row.sd for row in leading if row.id == seen.winner_id]
    fresh = trace(figure, "fresh seeds")
    scores = [run.score for run in found.runs if run.pool == "confirm" and run.configuration_id == 1]
    assert fresh.x[list(fresh.y).index("usual")] == pytest.approx(statistics.fmean(scores))
    (line,) = figure.layout.shapes
    assert line.x0 == pytest.approx(statistics.fmean(scores))


def test_seeds_mark_the_run_that_cherry_picking_would_report() -> None:
    found = known()
    figure = FIGURES["seeds"](found)
    best = max((run for run in found.runs if run.pool == "search"), key=lambda run: run.objective or 0)
    assert list(trace(figure, "best single run").x) == [best.objective]
    searched = trace(figure, "search seed")
    assert len(searched.x) == 30  # ten configurations with three seeds: one seed is not a result
    assert sorted(trace(figure, "fresh seed").x) == sorted(r.objective for r in found.runs if r.pool == "confirm")
    lucky = known("search")
    few = [replace(run, objective=0.95) if run.configuration_id == 12 else run for run in lucky.runs]
    order = FIGURES["seeds"](replace(lucky, runs=tuple(few))).layout.yaxis.categoryarray
    assert not any(name.startswith("c2 ") for name in order)


def test_differences_are_those_of_the_table() -> None:
    found = known()
    seen = view(found)
    figure = FIGURES["differences"](found)
    rows = [seen.comparisons.rows[row.id] for row in seen.compared if row.id in seen.comparisons.rows]
    for dots, row in zip(figure.data[:-1], rows, strict=True):
        assert list(dots.x) == [one - two for one, two in zip(row.pair.first, row.pair.second, strict=True)]
    mean = trace(figure, "mean")
    assert list(mean.x) == [row.difference.mean for row in rows]
    assert [x - error for x, error in zip(mean.x, mean.error_x.arrayminus, strict=True)] == pytest.approx(
        [row.difference.low for row in rows]
    )


def test_inflation_and_luck_by_hand() -> None:
    found = known()
    winner = found.study.winner_id
    search = [run.objective for run in found.runs if run.pool == "search" and run.configuration_id == winner]
    fresh = [run.objective for run in found.runs if run.pool == "confirm" and run.configuration_id == winner]
    figure = FIGURES["inflation"](found)
    assert trace(figure, "search seeds").x[0] == pytest.approx(statistics.fmean(search))
    assert trace(figure, "fresh seeds").x[0] == pytest.approx(statistics.fmean(fresh))
    assert trace(figure, "best single").x[0] == max(search)
    figure = FIGURES["luck"](found)
    line = trace(figure, "expected best")
    assert (line.x[0], line.y[0]) == (1, pytest.approx(statistics.fmean(fresh), rel=1e-5))
    two = list(line.x).index(2)  # the expected larger of two normal values is 1 / sqrt(pi)
    assert line.y[two] == pytest.approx(statistics.fmean(fresh) + statistics.stdev(fresh) * 0.5641896, rel=1e-5)
    seen = trace(figure, "best single search run so far")
    assert seen.y[-1] == max(run.objective for run in found.runs if run.pool == "search")
    assert seen.x[-1] == sum(run.pool == "search" for run in found.runs)


def test_validation_against_test_cost_curves_and_spending_by_hand() -> None:
    found = known()
    figure = FIGURES["validation_test"](found)
    assert "test lies 0.0200 below, r = 1.00 (n = 18)" in figure.layout.title.text
    figure = FIGURES["cost"](found)
    done = trace(figure, "done")
    assert dict(zip(done.y, done.x, strict=True)) == pytest.approx({"search seeds": 1.0, "fresh seeds": 0.3})
    assert "1.28 hours by the clock." in figure.layout.title.text
    figure = FIGURES["curves"](found)
    lines = [row for row in figure.data if row.mode == "lines" and row.name and "(n=6)" in row.name]
    assert len(lines) == 3
    winner = [run for run in found.runs if run.pool == "confirm" and run.configuration_id == found.study.winner_id]
    mean = statistics.fmean(run.objective or 0 for run in winner)
    assert list(lines[0].y) == pytest.approx([mean - 0.2, mean - 0.1, mean], rel=1e-5)
    figure = FIGURES["spending"](found)
    assert "30 of 40 configurations got one" in figure.layout.title.text
    assert sum(len(row.x) for row in figure.data) == 60


def test_pairs_show_alpha_and_temperature_wherever_both_are_searched() -> None:
    asked = FIGURES["pairs"].__globals__["_asked"]
    assert asked(("lr", "kd_alpha", "Temperature")) == ("kd_alpha", "Temperature")
    assert asked(("lr", "alpha")) is None
    figure = FIGURES["pairs"](known())
    assert any(row.type == "contour" for row in figure.data)
    assert figure.layout.coloraxis.colorbar.title.text == "validation mAP"


def test_importance_has_ped_anova_beside_it() -> None:
    import optuna

    found = known()
    figure = FIGURES["importance"](found)
    other = trace(figure, "PED-ANOVA")
    shares = dict(zip(other.y, other.x, strict=True))
    assert sum(value for value in shares.values() if value is not None) == pytest.approx(1.0)
    assert max((value, name) for name, value in shares.items() if value is not None)[1] == "lr"
    assert optuna.logging.get_verbosity() != optuna.logging.ERROR


def test_a_figure_of_a_users_own_and_ones_that_cannot_be_drawn(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import plotly.graph_objects as go\nfrom kdsearch.figures import finish, view\n\n"
        "def figure(results):\n    return finish(go.Figure(go.Bar(x=[1], y=[2])), view(results), 'Mine')\n"
    )
    ((name, figure),) = drawn(known(), tmp_path)
    assert name == "mine"
    assert figure.layout.title.text.startswith("<b>Mine</b>")
    with pytest.raises(KdsearchError, match="there is no figure 'other': use one of mine"):
        list(drawn(known(), tmp_path, "other"))
    (tmp_path / "wrong.py").write_text("def figure(results):\n    return 1 / 0\n")
    assert names(tmp_path) == ["mine", "wrong"]
    with pytest.raises(KdsearchError, match="the figure wrong cannot be drawn: ZeroDivisionError"):
        list(drawn(known(), tmp_path))


def test_files_that_a_figure_is_written_to(tmp_path: Path) -> None:
    figure = FIGURES["cost"](known())
    write(figure, tmp_path / "cost.html")
    text = (tmp_path / "cost.html").read_text()
    assert "Plotly.newPlot" in text
    assert "src=" not in text.split("<body>")[1].split("Plotly.newPlot")[-1]
    with pytest.raises(KdsearchError, match=r"a figure is written as .html, .png, .svg or .pdf"):
        write(figure, tmp_path / "cost.txt")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="images are drawn by a Chrome or Chromium")
def test_images_are_what_their_names_say(tmp_path: Path) -> None:
    pytest.importorskip("kaleido", reason="images need kaleido")
    figure = FIGURES["cost"](known())
    for kind, begin in {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}.items():
        write(figure, tmp_path / f"cost.{kind}")
        assert (tmp_path / f"cost.{kind}").read_bytes().startswith(begin)


def test_the_leading_are_as_many_as_asked_for_and_the_winner_among_them() -> None:
    assert len(view(known("search")).leading(5)) == 5
    found = known()
    last = view(found).standings[-1].id
    late = view(replace(found, study=replace(found.study, winner_id=last)))
    assert [row.id for row in late.leading(5)] == [row.id for row in late.standings[:4]] + [last]
    assert len(view(found).leading(5)) == 5


def test_names_that_agree_once_they_are_cut_are_rows_of_their_own() -> None:
    long = {"a": "student.augmentation.mixup.alpha_minimum", "b": "student.augmentation.mixup.alpha_maximum"}
    assert len(set(labels(long).values())) == 2
    assert labels({1: "x", 2: "x"}) == {1: "x", 2: "x [2]"}
    assert labels({1: 'a"b & <i>'}) == {1: 'a"b &amp; &lt;i&gt;'}
    found = known()
    rows = {id_: replace(row, name=f"{'c' * 40}{id_}") for id_, row in found.configurations.items()}
    for name in ("leaderboard", "seeds", "spending"):
        order = FIGURES[name](replace(found, configurations=rows)).layout.yaxis.categoryarray
        assert len(order) == len(set(order)) > 10


def test_values_keep_the_digits_of_their_range() -> None:
    assert rounded([123456.71234567, 123456.70001234]) == [123456.712346, 123456.700012]
    assert rounded([0.5, 0.5]) == [0.5, 0.5]
    assert rounded([1e-9, 3e-9]) == pytest.approx([1e-9, 3e-9])


def test_inflation_speaks_of_the_winner_alone() -> None:
    found = known("confirm")
    winner = found.study.winner_id
    runs = tuple(run for run in found.runs if run.pool == "search" or run.configuration_id != winner)
    assert "the winner's" not in FIGURES["inflation"](replace(found, runs=runs)).layout.title.text
    assert "the winner's" in FIGURES["inflation"](found).layout.title.text


def test_a_study_that_ended_without_a_winner_is_not_said_to_go_on() -> None:
    found = known("search")
    ended = replace(found, study=replace(found.study, phase="finished"))
    for name in ("differences", "inflation", "validation_test"):
        assert "ended without a winner" in FIGURES[name](ended).layout.annotations[0].text


def test_why_there_is_no_model_is_said() -> None:
    found = known("search")
    assert "too few for a model" in FIGURES["effects"](known("search", n=4)).layout.annotations[0].text
    equal = replace(found, runs=tuple(replace(run, objective=0.5) for run in found.runs))
    assert "All results are equal" in FIGURES["pairs"](equal).layout.annotations[0].text


def test_one_figure_that_fails_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def figure(results):\n    return 1 / 0\n")
    (tmp_path / "b.py").write_text(
        "import plotly.graph_objects as go\n\ndef figure(results):\n    return go.Figure()\n"
    )
    lost: list[str] = []
    assert [name for name, _ in drawn(known(), tmp_path, failed=lambda name, error: lost.append(str(error)))] == ["b"]
    assert lost == ["the figure a cannot be drawn: ZeroDivisionError: division by zero"]


def test_numbers_beyond_64_bits_and_choices_of_every_kind() -> None:
    import kdsearch as kd
    from kdsearch.ledger.studies import to_json

    found = known()
    space = {"lr": kd.integer(2**70, 2**80, log=True), "alpha": kd.categorical(None, "x", "1", 1, 0.5)}
    choices = (None, "x", "1", 1, 0.5)
    rows = {
        id_: replace(row, params={"lr": 2**70 * (1 + id_), "alpha": choices[id_ % 5]})
        for id_, row in found.configurations.items()
    }
    settings = replace(
        found.study.settings, space_json=to_json({n: d.identity() for n, d in space.items()}), dimensions=tuple(space)
    )
    odd = replace(found, configurations=rows, study=replace(found.study, settings=settings))
    for name, draw in FIGURES.items():
        assert draw(odd).to_json(engine="json"), name
    figure = FIGURES["effects"](odd)
    (axis,) = [axis for axis in figure.select_xaxes() if axis.ticktext]
    assert len(set(axis.ticktext)) == 5


def test_validation_against_test_counts_all_runs_where_it_shows_some() -> None:
    found = known()
    usual = [run for run in found.runs if run.pool == "confirm" and run.configuration_id == 1]
    more = [replace(usual[0], id=1000 + place, seed=usual[-1].seed + 1 + place) for place in range(200)]
    figure = FIGURES["validation_test"](replace(found, runs=(*found.runs, *more)))
    assert "(n = 218)" in figure.layout.title.text
    assert max(len(row.x) for row in figure.data) == 150
    assert "Dots: the first 150 runs of a configuration." in figure.layout.title.text
    assert any(row.name == "usual (n=206)" for row in figure.data)


def test_compared_configurations_for_which_there_is_no_room_are_counted() -> None:
    found = known()
    rows = {100 + place: replace(found.configurations[1], id=100 + place, name=f"b{place}") for place in range(40)}
    many = replace(found, configurations={**found.configurations, **rows})
    for name in ("leaderboard", "seeds"):
        assert "further compared configurations are in the table." in FIGURES[name](many).layout.title.text
        assert "further compared" not in FIGURES[name](found).layout.title.text
