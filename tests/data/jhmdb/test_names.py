from __future__ import annotations

import pytest

from kdsearch.data.jhmdb.names import CLASSES, JOINTS, film_of, source_of
from kdsearch.errors import DataError


def test_the_official_classes_and_joints() -> None:
    assert len(CLASSES) == 21
    assert list(CLASSES) == sorted(CLASSES)
    assert len(JOINTS) == 15


@pytest.mark.parametrize(
    ("name", "class_name", "source"),
    [
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", "brush_hair", "brush_hair/April_09"),
        ("Faith_Rewarded_catch_f_cm_np1_fr_med_10", "catch", "catch/Faith_Rewarded"),
        ("Torwarttraining_2_(_sterreich)_catch_f_cm_np1_ba_goo_0", "catch", "catch/Torwarttraining_2_(_sterreich)"),
        ("How_to_catch_f_nm_np1_ri_goo_0_catch_f_nm_np1_ri_goo_0", "catch", "catch/How_to_catch_f_nm_np1_ri_goo_0"),
    ],
)
def test_source_by_hand(name: str, class_name: str, source: str) -> None:
    assert source_of(name, class_name) == source


@pytest.mark.parametrize("name", ["April_09", "April_09_catch_u_nm_np1_ba_goo", "April_09_clap_u_nm_np1_ba_goo_0"])
def test_foreign_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="_catch_<five tags>_<number>"):
        source_of(name, "catch")


@pytest.mark.parametrize(
    ("titles", "film"),
    [
        (("Box_Pushing", "box_pushing_1"), "boxpushing"),
        (("boom-snap-clap", "Boom_Snap_Clap", "boomsnapclap!"), "boomsnapclap"),
        (("A_Beautiful_Mind_3", "A_Beautiful_Mind_6"), "abeautifulmind"),
        (("Hitch_Part_2",), "hitch"),
        (("IamLegend", "IamLegendII"), "iamlegend"),
        (("Mean_Machine_2001_(Part_10)",), "meanmachine2001"),
        (("50_FIRST_DATES",), "50firstdates"),
        (("21",), "21"),
    ],
)
def test_films_whatever_class_case_and_number(titles: tuple[str, ...], film: str) -> None:
    for title in titles:
        for class_name in ("run", "swing_baseball"):
            assert film_of(f"{title}_{class_name}_f_cm_np1_fr_med_12", class_name) == film
