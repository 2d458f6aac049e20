import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.chat import ChatMessage
from inference.errors import PromptError
from inference.prompts.rendering import (
    SAMPLE,
    PromptSource,
    prompt_check,
    prompt_render,
    reply_check,
    text_render,
)

USER = (
    "{{ shop_name }}{% if user_region %} ({{ user_region }}){% endif %} {{ current_time }}\n"
    '{% for turn in history %}{{ "C" if turn.role == "user" else "A" }}: {{ turn.text }}\n{% endfor %}'
    "{% for passage in passages %}[{{ loop.index }}] {{ passage.question }} {{ passage['answer'] }}"
    "{% if not loop.last %}; {% endif %}{% endfor %}\n{{ question|trim|truncate(50) }}"
)


def test_a_prompt_becomes_a_system_and_a_user_message():
    messages = prompt_render(PromptSource("Be brief.", USER), SAMPLE)
    assert messages == [
        ChatMessage("system", "Be brief."),
        ChatMessage(
            "user",
            "Sample shop (Shanghai) 2026-05-04 09:30\nC: Hello\nA: Hello, how can I help?\n"
            "[1] How long is delivery? Delivery takes 3 days.; [2] Which regions? All regions.\n"
            "How long is delivery?",
        ),
    ]


def test_blank_instructions_are_left_out_and_a_blank_message_is_refused():
    assert [m.role for m in prompt_render(PromptSource(" ", "hi"), SAMPLE)] == ["user"]
    with pytest.raises(PromptError, match="empty"):
        prompt_render(PromptSource("hi", "{{ user_region if 0 else '' }}"), SAMPLE)


def test_what_is_useful_still_works():
    template = (
        "{% macro line(p) %}<{{ p.id }}>{% endmacro %}"
        "{% for p in passages if p.id != 'E2' %}{{ line(p) }}{% else %}none{% endfor %}"
        "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}"
        "{{ passages|map(attribute='id')|join(',') }}{{ passages|length }}{{ 'a' ~ 1 }}{{ [3, 1]|sort|first }}"
        "{% set block %}x{% endset %}{{ block|upper }}{{ passages[0].question[:3] }}{{ 7 // 2 }}"
    )
    assert text_render(template, SAMPLE) == "<E1>3E1,E22a11XHow3"


def test_customers_words_are_never_a_template_and_never_escaped():
    rendered = text_render("{{ question }}", {"question": "{{ 7 * 7 }} <b> & <|im_start|>"})
    assert rendered == "{{ 7 * 7 }} <b> & <|im_start|>"


def test_an_aware_time_is_written_as_text_and_a_naive_one_refused():
    assert (
        text_render("{{ t }}", {"t": datetime(2026, 5, 4, 9, 30, tzinfo=UTC)}) == "2026-05-04 09:30"
    )
    with pytest.raises(PromptError, match="time zone"):
        text_render("{{ t }}", {"t": datetime(2026, 5, 4)})


def test_objects_with_methods_are_no_variables():
    with pytest.raises(PromptError, match="plain data"):
        text_render("{{ x }}", {"x": object()})


BOMBS = {
    "long loop": "{% for i in range(100000000) %}x{% endfor %}",
    "nested loops": "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}{% endfor %}{% endfor %}{% endfor %}",
    "loop without output": "{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}",
    "wide loop": "{% for a in range(9000) %}" + "{{ question in question }}" * 300 + "{% endfor %}",
    "much literal text": "{% for a in range(50000) %}" + "x" * 8000 + "{% endfor %}",
    "macro recursion": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "quiet macro recursion": "{% macro m(n) %}{% if n %}{% set x = m(n-1) %}{% set y = m(n-1) %}{% endif %}{% endmacro %}{{ m(40) }}",
    "recursive loop": "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "multiplied text": "{{ 'a' * 1000000000 }}",
    "multiplied list": "{% set x = [1] * 1000000000 %}",
    "multiplied from the left": "{{ 1000000000 * 'a' }}",
    "doubled text": "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "doubled by plus": "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "captured text": "{% set x %}{% for i in range(9999) %}{{ question * 100 }}{% endfor %}{% endset %}",
    "power": "{{ 9 ** 9 ** 9 ** 9 }}",
    "power tower by product": "{% set ns = namespace(n=9) %}{% for i in range(90) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "padding by format": "{{ '%999999999d' % 1 }}",
    "padding by method": "{{ '{:999999999}'.format(1) }}",
    "ljust": "{{ 'a'.ljust(999999999) }}",
    "center": "{{ 'a'|center(999999999) }}",
    "indent": "{{ ('a\n' * 30000)|indent(30000) }}",
    "replace": "{{ ('a' * 60000)|replace('a', 'a' * 60000) }}",
    "join": "{{ range(60000)|join('a' * 60000) }}",
    "list of range": "{{ range(999999999)|list|length }}",
    "slice filter": "{{ [1]|slice(999999999)|list }}",
    "batch filter": "{{ [1]|batch(999999999, 0)|list }}",
    "lists of themselves": "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}",
    "lists compared": "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
    "sum of lists": "{{ [[1] * 9000] * 9000 }}",
    "map of filters": "{{ range(60000)|map('string')|map('center', 60000)|join }}",
    "round": "{{ 1.5|round(999999999) }}",
    "deep parentheses": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "deep lists": "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    "deep ifs": "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "deep loops": "{% for a in [1] %}" * 100 + "{% endfor %}" * 100,
    "long number": "{{ " + "9" * 9000 + " }}",
    "long template": "x" * 20_000,
    "negative charge": "{{ [-9999999]|map('count macro')|list|length }}{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}",
}


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_soon(template):
    began = time.thread_time()
    with pytest.raises(PromptError) as refusal:
        text_render(template, SAMPLE)
    assert time.thread_time() - began < 5.0, "one that is not stopped runs for minutes"
    assert str(refusal.value).endswith((".", "…"))


@pytest.mark.parametrize("block", ["for a in [1]", "if 1", "macro m()", "with a = 1", "set a"])
def test_blocks_are_nested_only_so_deeply(block):
    end = "{% end" + block.split()[0] + " %}"
    assert text_render(("{% " + block + " %}") * 20 + end * 20, SAMPLE) == ""
    with pytest.raises(PromptError, match="Line 1: more than 20 blocks inside one another"):
        text_render(("{% " + block + " %}") * 21 + end * 21, SAMPLE)


def test_a_chain_of_elifs_is_not_deep():
    template = "{% if 0 %}0" + "".join(f"{{% elif question == '{n}' %}}{n}" for n in range(40))
    assert text_render(template + "{% else %}none{% endif %}", SAMPLE) == "none"


ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ question|attr('__class__') }}",
    "{{ [question]|map(attribute='__class__')|first }}",
    "{{ self._TemplateReference__context }}",
    "{{ passages.append(1) }}",
    "{{ passages[0].update({}) }}",
    "{{ range.__init__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ namespace().__class__ }}",
    "{{ cycler }}",
    "{{ lipsum() }}",
    "{{ dict(a=1) }}",
    "{{ loop.__class__ }}",
    "{% for a in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% for a in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__class__ }}",
    "{% macro m() %}{% endmacro %}{{ m }}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% block a %}{% endblock %}",
    "{{ passages }}",
    "{{ [range] }}",
]


@pytest.mark.parametrize("template", ESCAPES)
def test_a_template_reaches_nothing_but_its_data(template):
    with pytest.raises(PromptError):
        text_render(template, SAMPLE)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ nothing }}", "A variable is missing: 'nothing' is undefined."),
        ("{{ passages[0].nothing }}", "nothing"),
        ("line\n{% if %}", "Line 2: "),
        ("{{ question|shout }}", "Line 1: there is no filter named “shout”."),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ passages[9].id }}", "A variable is missing"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(template, sentence):
    with pytest.raises(PromptError) as refusal:
        text_render(template, SAMPLE)
    assert sentence in str(refusal.value)


def test_a_check_finds_unknown_names_even_in_branches_that_do_not_run():
    with pytest.raises(PromptError, match="Unknown variable custmer; there are passages"):
        prompt_check(PromptSource("{% if false %}{{ custmer }}{% endif %}", "x"))
    with pytest.raises(PromptError, match="Unknown variable passages"):
        reply_check("{{ passages[0].answer }}")
    prompt_check(PromptSource("x", USER))
    reply_check("{{ shop_name }}: {{ current_time }}")


def test_a_prompt_that_breaks_without_passages_is_refused_too():
    with pytest.raises(PromptError):
        prompt_check(PromptSource("x", "{{ passages[0].answer }} {{ question }}"))


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "{% for a in passages %}",
                "{% endfor %}",
                "{{ a",
                "|join",
                "|list",
                " }}",
                "{% if ",
                " %}",
                "question",
                "*",
                "999999999",
                "~",
                "[",
                "]",
                "(",
                ")",
                "'x'",
                "|center",
                "range",
                "{% macro m() %}",
                "{% endmacro %}",
                "{{ m() }}",
                "**",
                "%",
            ]
        ),
        max_size=25,
    ),
)
def test_whatever_the_template_only_a_text_or_a_prompt_error_comes_out(text, parts):
    with contextlib.suppress(PromptError):
        assert len(text_render(text + "".join(parts), SAMPLE)) <= 64_000
