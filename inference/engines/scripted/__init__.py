"""A deterministic engine that answers from a script instead of a model.

Tests use :class:`ScriptedChatClient` in their own process; ``python -m inference.server
--scripted FILE`` serves the same script over HTTP, for tests of whole processes.
"""

from inference.engines.scripted.client import ScriptedChatClient as ScriptedChatClient
from inference.engines.scripted.client import ScriptedRequest as ScriptedRequest
from inference.engines.scripted.engine import VOCABULARY as VOCABULARY
from inference.engines.scripted.engine import ScriptedEngine as ScriptedEngine
from inference.engines.scripted.engine import token_id_of as token_id_of
from inference.engines.scripted.script import ERRORS as ERRORS
from inference.engines.scripted.script import Script as Script
from inference.engines.scripted.script import ScriptedReply as ScriptedReply
from inference.engines.scripted.script import reply_play as reply_play
from inference.engines.scripted.script import script_load as script_load
from inference.engines.scripted.script import tokens_count as tokens_count
