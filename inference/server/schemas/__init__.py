"""What clients may send: the OpenAI API, as far as this server can honour it.

Unknown fields are ignored, because clients send many harmless ones. A known field that would
change the answer and cannot be honoured is refused by name, unless it has its neutral value.
"""

from inference.server.schemas.base import Body as Body
from inference.server.schemas.base import ParameterRefused as ParameterRefused
from inference.server.schemas.chat import ChatCompletionRequest as ChatCompletionRequest
from inference.server.schemas.messages import Messages as Messages
from inference.server.schemas.texts import EmbeddingRequest as EmbeddingRequest
from inference.server.schemas.texts import TokenizeRequest as TokenizeRequest
