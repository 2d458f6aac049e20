import type { Reason } from "./i18n";
import { fields, type Rate } from "./protocol";
import type { Store } from "./storage";

export interface Thumb {
  score: 0 | 1;
  /** Reasons or a comment were given, so that the form need not come again. */
  explained: boolean;
}

const ATTEMPTS = 3;

/**
 * What the customer said of answers and of the conversation, kept by conversation in storage and
 * sent again until the desk confirmed it.
 */
export class Feedback {
  private readonly waiting = new Map<string, { frame: Rate; attempts: number }>();

  constructor(private readonly store: Store) {}

  thumbOf(conversation: string | null, seq: number): Thumb | null {
    const saved = this.saved(conversation)[String(seq)];
    if (typeof saved !== "object" || saved === null) return null;
    const { score, explained } = saved as Record<string, unknown>;
    return score === 0 || score === 1 ? { score, explained: explained === true } : null;
  }

  starsOf(conversation: string | null): number | null {
    const stars = this.saved(conversation)["stars"];
    return typeof stars === "number" ? stars : null;
  }

  /** Whether the question for stars was put, answered or not: it is put once. */
  asked(conversation: string | null): boolean {
    return this.saved(conversation)["asked"] === true;
  }

  markAsked(conversation: string | null): void {
    this.save(conversation, "asked", true);
  }

  thumb(
    conversation: string | null,
    seq: number,
    score: 0 | 1,
    why: { reasons: Reason[]; comment: string } | null,
  ): Rate {
    this.save(conversation, String(seq), { score, explained: why !== null });
    const frame: Rate = { type: "rate", reply_seq: seq, kind: "thumb", score };
    if (why && why.reasons.length > 0) frame.reasons = why.reasons;
    if (why && why.comment !== "") frame.comment = why.comment;
    return this.wait(frame);
  }

  stars(conversation: string | null, seq: number, score: number, comment: string): Rate {
    this.save(conversation, "stars", score);
    const frame: Rate = { type: "rate", reply_seq: seq, kind: "stars", score };
    if (comment !== "") frame.comment = comment;
    return this.wait(frame);
  }

  /** Frames to send again on a new connection. */
  unconfirmed(): Rate[] {
    const frames: Rate[] = [];
    for (const [key, entry] of this.waiting) {
      if (++entry.attempts > ATTEMPTS) this.waiting.delete(key);
      else frames.push(entry.frame);
    }
    return frames;
  }

  confirm(replySeq: number): void {
    for (const [key, { frame }] of this.waiting) {
      if (frame.reply_seq === replySeq) this.waiting.delete(key);
    }
  }

  private wait(frame: Rate): Rate {
    this.waiting.set(`${frame.kind}:${frame.reply_seq}`, { frame, attempts: 0 });
    return frame;
  }

  private saved(conversation: string | null): Record<string, unknown> {
    const value = conversation === null ? null : this.store.get(`rated:${conversation}`);
    return typeof value === "object" && value !== null ? fields(value) : {};
  }

  private save(conversation: string | null, name: string, value: unknown): void {
    if (conversation === null) return;
    this.store.set(`rated:${conversation}`, { ...this.saved(conversation), [name]: value });
  }
}
