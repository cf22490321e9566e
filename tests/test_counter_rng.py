"""Random numbers of keys and places: known answers, distribution, and that nothing but key and place counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from kdsearch import counter_rng
from kdsearch.training.randomness import stream

KEY = torch.tensor(counter_rng.key(stream(3, 7)))
PLACES = torch.arange(100_000)


def words32(*values: int) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(value) for value in values)


@pytest.mark.parametrize(
    ("place", "key", "want"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(
    place: tuple[int, ...], key: tuple[int, ...], want: tuple[int, ...]
) -> None:
    got = counter_rng.philox(words32(*place), words32(*key))  # type: ignore[arg-type]
    assert tuple(got.tolist()) == want
    whole = torch.tensor(int(np.uint64(key[0] | key[1] << 32).astype(np.int64)))
    assert tuple(counter_rng.random_bits(whole, *place).tolist()) == want


@pytest.mark.parametrize(
    ("seed", "want"),
    [
        (0, (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)),
        (1234567, (6457827717110365317, 3203168211198807973, 9817491932198370423)),
    ],
)
def test_splitmix64_gives_the_known_answers(seed: int, want: tuple[int, ...]) -> None:
    states = seed + torch.arange(3) * counter_rng.GOLDEN
    kept = states.clone()
    assert tuple(number % 2**64 for number in counter_rng.splitmix64(states).tolist()) == want
    assert torch.equal(states, kept)


def test_a_key_is_the_first_number_of_its_stream() -> None:
    sequences = [stream(seed, *place) for seed in (0, 5, 2**63) for place in ((2,), (3,), (3, 1))]
    keys = [counter_rng.key(sequence) for sequence in sequences]
    assert [key % 2**64 for key in keys] == [int(one.generate_state(1, np.uint64)[0]) for one in sequences]
    assert len(set(keys)) == 9
    assert min(keys) < 0 < max(keys)
    assert torch.tensor(keys).dtype == torch.int64


@pytest.mark.parametrize("word", range(4))
def test_words_are_uniform_and_fill_the_interval(word: int) -> None:
    numbers = counter_rng.unit(counter_rng.random_bits(KEY, PLACES)[word])
    assert numbers.dtype == torch.float32
    assert 0 <= float(numbers.min()) < 1e-4
    assert 1 - 1e-4 < float(numbers.max()) < 1
    assert stats.kstest(numbers.numpy(), "uniform").pvalue > 0.01


def test_uniform_numbers_are_multiples_of_2_to_the_minus_24_below_1() -> None:
    extremes = torch.tensor([0, 255, 256, 0xFFFFFFFF])
    assert counter_rng.unit(extremes).tolist() == [0.0, 0.0, 2.0**-24, 1 - 2.0**-24]
    numbers = counter_rng.uniform(KEY, PLACES).double() * 2**24
    assert torch.equal(numbers, numbers.round())


@pytest.mark.parametrize("high", [1, 2, 9, 1000])
def test_integers_are_uniform_below_high(high: int) -> None:
    counts = torch.bincount(counter_rng.integers(KEY, PLACES, 1, high=high), minlength=high)
    assert len(counts) == high
    assert int(counts.sum()) == len(PLACES)
    assert high == 1 or stats.chisquare(counts.numpy()).pvalue > 0.01


def test_integers_reach_both_ends_and_take_a_bound_each() -> None:
    extremes = torch.tensor([0, 0xFFFFFFFF])
    assert counter_rng.below(extremes, 2**31).tolist() == [0, 2**31 - 1]
    assert counter_rng.below(extremes, 5).tolist() == [0, 4]
    assert counter_rng.below(torch.tensor([0xFFFFFFFF] * 3), torch.tensor([1, 2, 3])).tolist() == [0, 1, 2]


@pytest.mark.parametrize("axis", range(4))
def test_every_number_of_a_place_counts(axis: int) -> None:
    place: list[Tensor | int] = [5, 5, 5, 5]
    place[axis] = PLACES
    numbers = counter_rng.random_bits(KEY, *place)
    assert len(torch.unique(numbers[0] << 31 ^ numbers[1])) == len(PLACES)
    following = np.corrcoef(numbers[0, 1:].double(), numbers[0, :-1].double())[0, 1]
    assert abs(following) < 0.01


def test_keys_that_differ_in_either_half_give_unrelated_numbers() -> None:
    one = counter_rng.uniform(KEY, PLACES)
    for change in (1, 1 << 31, 1 << 32, 1 << 62):
        other = counter_rng.uniform(KEY ^ change, PLACES)
        assert int((one == other).sum()) < 5
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.01


def test_numbers_left_out_are_0_and_a_fifth_is_refused() -> None:
    assert torch.equal(
        counter_rng.random_bits(KEY, PLACES, 4), counter_rng.random_bits(KEY, PLACES, torch.tensor(4), 0, 0)
    )
    with pytest.raises(ValueError, match="at most 4 numbers, got 5"):
        counter_rng.random_bits(KEY, 1, 2, 3, 4, 5)


def test_a_member_gets_the_same_numbers_alone_in_any_slot_and_under_vmap() -> None:
    keys = torch.tensor([counter_rng.key(stream(seed, 7)) for seed in range(5)])
    epochs = torch.tensor([0, 3, 1, 3, 9])
    elements = torch.randint(0, 5000, (5, 64), generator=torch.Generator().manual_seed(0))
    together = counter_rng.uniform(keys[:, None], elements, epochs[:, None])
    for member in range(5):
        alone = counter_rng.uniform(keys[member], elements[member], int(epochs[member]))
        assert torch.equal(alone, together[member])
    turned = counter_rng.uniform(keys.flip(0)[:, None], elements.flip(0), epochs.flip(0)[:, None])
    assert torch.equal(turned.flip(0), together)
    assert torch.equal(torch.func.vmap(counter_rng.uniform)(keys, elements, epochs), together)


def test_no_generator_is_read_or_moved() -> None:
    before = torch.get_rng_state()
    first = counter_rng.uniform(KEY, PLACES)
    torch.manual_seed(1)
    second = counter_rng.uniform(KEY, PLACES)
    torch.set_rng_state(before)
    assert torch.equal(first, second)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_both_devices_give_the_same_bits() -> None:
    keys = torch.tensor([counter_rng.key(stream(seed, 7)) for seed in range(5)])[:, None]
    states = keys + PLACES * counter_rng.GOLDEN
    assert torch.equal(counter_rng.splitmix64(states.cuda()).cpu(), counter_rng.splitmix64(states))
    assert torch.equal(
        counter_rng.random_bits(keys.cuda(), PLACES.cuda(), 3).cpu(), counter_rng.random_bits(keys, PLACES, 3)
    )
    numbers = counter_rng.uniform(keys.cuda(), PLACES.cuda(), 3)
    assert torch.equal(numbers.cpu(), counter_rng.uniform(keys, PLACES, 3))
    whole = counter_rng.integers(keys.cuda(), PLACES.cuda(), high=9)
    assert torch.equal(whole.cpu(), counter_rng.integers(keys, PLACES, high=9))
