"""Steps: a small model invents them when it is asked how something is done."""

from __future__ import annotations

import re

_STEP = re.compile(
    r"^\s*(?:[-*•]\s+)?(?:\d{1,2}\s*[.、)）:：](?!\d)|[（(]\d{1,2}[)）]|第[一二三四五六七八九十\d]+步|步骤\s*[一二三四五六七八九十\d]+|[①-⑩]"
    r"|step\s*\d+)"
    r"|(?:首先|然后|接着|随后|其次|最后一步|最后|再然后|接下来)[,，]?"
    r"|\b(?:first(?:ly)?|second(?:ly)?|then|next|after that|finally|lastly)\b\s*,",
    re.I,
)
_INSTRUCTION = re.compile(
    r"(?:请(?:您)?|您?(?:需要|可以|只需|应))?(?:先)?(?:点击|登录|打开|进入|选择|填写|提交|上传|拨打|扫描|下载|前往|访问|寄回|发送|打包|准备|致电)"
    r"|^\W*(?:please )?(?:click|go to|visit|select|choose|open|log ?in|sign ?in|enter|submit|fill|call|e-?mail|send|pack|print|download|"
    r"upload|tap|navigate|scan|attach|drop)\b",
    re.I,
)


def is_step(clause: str) -> bool:
    """A step of a procedure: numbered, ordered by a word, or an instruction to do something."""
    return bool(_STEP.search(clause)) or bool(_INSTRUCTION.search(clause))
