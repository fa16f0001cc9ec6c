"""The dtypes that CuPy 14.2's ufuncs take, by their loops (``cupy.add.types``), of which the first that fits is taken.

"E" is bfloat16. ``test_pretend_cupy.py`` compares this with the package where it is installed.
"""

from __future__ import annotations

from typing import Final

# Loops, and the functions that have just those.
_OF_CUPY: Final = (
    (
        "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d F->f D->d",
        "abs absolute",
    ),
    (
        "e->e E->E f->f d->d F->F D->D",
        "acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh cos cosh exp exp2 "
        "expm1 i0 log log10 log1p log2 rint sin sinh sqrt tan tanh",
    ),
    (
        "??->? bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q ee->e EE->E ff->f dd->d FF->F "
        "DD->D",
        "add fmax fmin maximum minimum multiply subtract",
    ),
    (
        "ee->e EE->E ff->f dd->d FF->F DD->D",
        "arctan2 atan2 copysign hypot nextafter",
    ),
    (
        "??->? bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q",
        "bitwise_and bitwise_or bitwise_xor gcd lcm",
    ),
    (
        "b->B B->B h->B H->B i->B I->B l->B L->B q->B Q->B",
        "bitwise_count",
    ),
    (
        "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q",
        "bitwise_invert bitwise_not invert",
    ),
    (
        "bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q",
        "bitwise_left_shift bitwise_right_shift left_shift right_shift",
    ),
    (
        "e->e E->E f->f d->d",
        "cbrt deg2rad degrees fabs rad2deg radians",
    ),
    (
        "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d",
        "ceil floor trunc",
    ),
    (
        "b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d F->F D->D",
        "conj conjugate reciprocal sign square",
    ),
    (
        "qq->d qQ->d Qq->d QQ->d ee->e EE->E ff->f dd->d FF->F DD->D",
        "divide true_divide",
    ),
    (
        "bb->bb BB->BB hh->hh HH->HH ii->ii II->II ll->ll LL->LL qq->qq QQ->QQ ee->ee ff->ff dd->dd",
        "divmod",
    ),
    (
        "??->? qq->? QQ->? qQ->? Qq->? ee->? EE->? ff->? dd->? FF->? DD->? VV->?",
        "equal not_equal",
    ),
    (
        "dd->d FF->D DD->D",
        "float_power",
    ),
    (
        "bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q ee->e EE->E ff->f dd->d",
        "floor_divide fmod mod remainder",
    ),
    (
        "e->ei E->Ei f->fi d->di",
        "frexp",
    ),
    (
        "??->? qq->? QQ->? qQ->? Qq->? ee->? EE->? ff->? dd->? FF->? DD->?",
        "greater greater_equal less less_equal",
    ),
    (
        "ee->e EE->E ff->f dd->d",
        "heaviside logaddexp logaddexp2",
    ),
    (
        "e->? E->? f->? d->? F->? D->?",
        "isfinite isinf isnan",
    ),
    (
        "ei->e Ei->E fi->f el->e El->E fl->f di->d dq->d",
        "ldexp",
    ),
    (
        "??->? qq->? QQ->? qQ->? Qq->? ee->? EE->? ff->? dd->?",
        "logical_and logical_or",
    ),
    (
        "?->? b->? B->? h->? H->? i->? I->? l->? L->? q->? Q->? e->? f->? d->?",
        "logical_not",
    ),
    (
        "??->? bb->? BB->? hh->? HH->? ii->? II->? ll->? LL->? qq->? QQ->? ee->? ff->? dd->?",
        "logical_xor",
    ),
    (
        "e->ee E->EE f->ff d->dd",
        "modf",
    ),
    (
        "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d F->F D->D",
        "negative positive",
    ),
    (
        "??->b bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q ee->e EE->E ff->f dd->d FF->F "
        "DD->D",
        "pow power",
    ),
    (
        "e->? E->? f->? d->?",
        "signbit",
    ),
)  # fmt: skip
_OF_SPECIAL: Final = (
    (
        "l->d e->d f->f d->d",
        "gammaln",
    ),
    (
        "e->d f->f d->d",
        "erf erfc erfcx",
    ),
    (
        "f->f d->d",
        "erfinv ndtri entr",
    ),
    (
        "l->d L->d e->d f->f d->d",
        "i0 i0e i1 i1e j0 j1 y0 y1 k0 k0e k1 k1e",
    ),
    (
        "ff->f dd->d",
        "gammainc gammaincc zeta",
    ),
    (
        "l->d e->d f->f d->d F->F D->D",
        "digamma",
    ),
)  # fmt: skip


def _by_name(groups: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(loops.split()) for loops, names in groups for name in names.split()}


CUPY: Final = _by_name(_OF_CUPY)
SPECIAL: Final = _by_name(_OF_SPECIAL)
