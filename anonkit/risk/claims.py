"""Which product claims to resist which attack, and the test that shows it; the table of docs/THREATS.md as data.

A claimed attack must be at baseline with a narrow interval (ruling 35); any other is run and reported. The gate and
the report read this table; a test checks that each named test exists and that the document says the same.
Source: rulings 7, 9, 11, 15, 30, 31, 35, 36. A claim is about one attacker's knowledge, written beside it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A product resists an attack."""

    attack: str
    product: str
    test: str
    """Name of the test that shows it, and its mutation twin."""
    ruling: str = ""


K_TRIPS, K_FLOWS, DP, ROUTES, PREPARED = (
    "k: trips",
    "k: flows, volumes",
    "dp: flows, volumes",
    "k: routes",
    "prepare, geo",
)


def claims() -> tuple[Claim, ...]:
    """Every claim that is made.

    >>> sorted({claim.product for claim in claims()})[:2]
    ['dp: flows, volumes', 'k: flows, volumes']
    """
    rows = (
        ("class risk", K_TRIPS, "test_trips_are_unique_raw_and_not_in_classes_of_k", "1, 5, 6"),
        ("unicity, one known place-time", K_TRIPS, "test_raw_points_single_out_and_safe_classes_do_not", "5"),
        ("trip uniqueness", K_TRIPS, "test_trips_are_unique_raw_and_not_in_classes_of_k", "5"),
        ("certain destination", K_TRIPS,
         "test_r07_a_release_does_not_tell_the_only_destination_of_an_origin_and_time", "7"),
        ("home and work, top places", K_TRIPS,
         "test_home_and_work_pairs_name_people_on_raw_cells_and_not_on_coarse_ones", "5"),
        ("linkage of two periods", K_TRIPS,
         "test_people_are_linked_across_periods_by_pseudonym_and_not_by_fresh_rows", "DESIGN 1.3"),
        ("chains without ids", K_TRIPS, "test_r15_rows_without_ids_are_chained_raw_and_not_in_coarse_classes", "15"),
        ("order and index", K_TRIPS, "test_rows_in_input_order_are_seen_and_shuffled_rows_are_not", "DESIGN 1.3"),
        ("singling out, linkability, inference", K_TRIPS,
         "test_article_29_classes_of_k_pass_singling_out_and_linkability", "35"),
        ("combinatorial refinement", K_FLOWS, "test_r09_a_full_rest_row_settles_its_parts", "9"),
        ("minimality", K_FLOWS, "test_minimality_is_certain_for_one_class_and_faint_for_many", "9"),
        ("differencing", K_FLOWS, "test_r11_overlapping_zones_and_parents_are_subtracted", "11, 13"),
        ("complementary suppression", K_FLOWS, "test_r11_one_blank_cell_is_settled_and_two_are_not", "11"),
        ("membership, known group", DP, "test_r36_noise_keeps_every_attacker_under_the_bound_of_epsilon", "36"),
        ("membership, others known", DP,
         "test_r36_knowing_everybody_else_the_bound_is_nearly_reached_and_never_crossed", "36"),
        ("recovery of trajectories", DP, "test_paths_are_recovered_from_exact_counts_and_not_from_noisy_blocks", "35"),
        ("sub-path", ROUTES, "test_a_run_of_links_names_its_walker", "31"),
        ("patterns walked by few", ROUTES, "test_r31_pieces_shared_by_many_do_not_make_a_path_walked_by_one", "31"),
        ("circle fit of trimmed ends", PREPARED, "test_r30_a_circle_gives_the_home_away_and_a_cell_border_does_not", "30"),
        ("reversal of hashed ids", PREPARED, "test_unsalted_hashes_of_phones_are_reversed_and_keyed_tokens_are_not", "25"),
        ("same-offset fuzzing", PREPARED, "test_the_same_offset_for_both_ends_gives_the_other_end_away", ""),
    )  # fmt: skip
    return tuple(Claim(attack=a, product=p, test=t, ruling=r) for a, p, t, r in rows)
