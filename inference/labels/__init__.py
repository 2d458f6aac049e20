"""Labels of a message, such as its sentiment or intent, with calibrated probabilities.

Three views look at a message: its words (n-grams), its meaning (a sentence vector) and the chat
model (how likely it would begin its answer with each label's words; one prefill, no decoding). Each
view has a linear classifier over the labelled examples; a log-linear combination, fitted on
leave-one-out scores, decides how much each view counts, and gives the chat model no weight where it
adds nothing. Without examples the chat model alone decides, corrected for what it says of texts
without content.
"""
