"""From a question to an answer, rung by rung: values in, values out.

``climb.Ladder`` walks the steps of the other modules in order until one answers. No step touches
the database: rules, prompts, passages and the engine come through the ports of ``ports``.
"""
