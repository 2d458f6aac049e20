import type { Environment } from "./environment";
import { fields, Malformed, modeOr, numberOr, textOr, type Mode } from "./protocol";
import type { Store } from "./storage";

/** What the desk said when it opened the session. */
export interface SessionInfo {
  token: string;
  /** When the token ends, in milliseconds since the epoch. */
  expiresAt: number;
  conversation: string;
  mode: Mode;
  headSeq: number;
  socketPath: string;
  siteName: string;
  welcome: Readonly<Record<string, string>>;
  textLimit: number;
}

/** The desk will not have this page or visitor; asking again is of no use. */
export class SessionRefused extends Error {}

/** The desk cannot be reached or is busy; ask again later. */
export class SessionUnavailable extends Error {}

/** A signed identity, or what gives a fresh one; such tokens are short-lived. */
export type Identity = string | (() => string | Promise<string>);

const RESUME = "resume";
const REFRESH_BEFORE_MS = 30_000;
const REQUEST_MS = 15_000;

/** Keeps a valid session token; the rotating resume token in storage brings the visitor back. */
export class Session {
  private info: SessionInfo | null = null;
  private identity: Identity | null;
  private pending: Promise<SessionInfo> | null = null;
  /** How often the page has told who the visitor is. */
  private identified = 0;

  constructor(
    private readonly environment: Environment,
    private readonly store: Store,
    private readonly site: {
      deskUrl: string;
      siteKey: string;
      language: string;
      region: string;
      identity: string | null;
    },
  ) {
    this.identity = site.identity;
  }

  /** Whether this browser has been here before. */
  get returning(): boolean {
    return this.store.getText(RESUME) !== null;
  }

  /** A token that stays valid for a while; asks the desk only when it must. */
  async ensure(): Promise<SessionInfo> {
    const info = this.info;
    if (info && info.expiresAt - this.environment.now() > REFRESH_BEFORE_MS) return info;
    this.pending ??= this.environment
      .exclusively(`supportdesk:${this.site.siteKey}`, () => this.openAsIdentified())
      .finally(() => {
        this.pending = null;
      });
    return this.pending;
  }

  /** Forgets the token that the desk refused or the conversation that ended. */
  invalidate(): void {
    this.info = null;
  }

  /** The next session carries this signed identity; null makes the visitor a stranger. */
  identify(identity: Identity | null): void {
    this.identity = identity;
    this.identified++;
    this.info = null;
    if (identity === null) this.store.remove(RESUME);
  }

  /** The page may tell another identity while the desk is asked: the session is of the last one. */
  private async openAsIdentified(): Promise<SessionInfo> {
    for (;;) {
      const identified = this.identified;
      const isLast = (): boolean => identified === this.identified;
      try {
        const info = await this.open(isLast);
        if (isLast()) return (this.info = info);
        if (this.identity === null) this.store.remove(RESUME);
      } catch (error) {
        if (isLast()) throw error;
      }
    }
  }

  private async open(isLast: () => boolean): Promise<SessionInfo> {
    let response = await this.post(await this.proof());
    if (this.identity !== null && [400, 401, 403].includes(response.status)) {
      // Better a stranger than nobody; identify() makes them known again.
      console.warn("supportdesk: the desk refused the identity token.");
      if (isLast()) this.identity = null;
      response = await this.post(null);
    }
    if (response.status === 429 || response.status >= 500) throw new SessionUnavailable();
    if (!response.ok) throw new SessionRefused(`the desk answered ${response.status}`);
    try {
      return this.read((await response.json()) as unknown);
    } catch (error) {
      if (error instanceof Malformed || error instanceof SyntaxError) {
        throw new SessionUnavailable();
      }
      throw error;
    }
  }

  private async proof(): Promise<string | null> {
    if (typeof this.identity !== "function") return this.identity;
    try {
      return await this.identity();
    } catch (error) {
      console.warn("supportdesk: the page gave no identity token.", error);
      throw new SessionUnavailable();
    }
  }

  private async post(identity: string | null): Promise<Response> {
    const answer = (await this.tried(identity)) ?? ((await this.alive()) && (await this.tried(identity)));
    if (answer) return answer;
    if (answer === false) throw new SessionUnavailable();
    // The desk is there, yet twice no answer could be read: it does not let this page's origin in.
    console.error(
      `supportdesk: ${this.site.deskUrl} refuses pages of ${location.origin}. ` +
        "Add this address to the allowed origins of the site in the desk's admin.",
    );
    throw new SessionRefused("the desk refused the page's origin");
  }

  /** Whether the desk answers pages of any origin; a proxy's error page does not count. */
  private async alive(): Promise<boolean> {
    const limit = new AbortController();
    const timer = this.environment.after(REQUEST_MS, () => limit.abort());
    try {
      const answer = await this.environment.fetch(`${this.site.deskUrl}/widget/v1/alive`, {
        credentials: "omit",
        cache: "no-store",
        signal: limit.signal,
      });
      return answer.ok;
    } catch {
      return false;
    } finally {
      timer.cancel();
    }
  }

  /** The desk's answer; null when there was none that this page may read. */
  private async tried(identity: string | null): Promise<Response | null> {
    const limit = new AbortController();
    const timer = this.environment.after(REQUEST_MS, () => limit.abort());
    const resume = this.store.getText(RESUME);
    try {
      return await this.environment.fetch(`${this.site.deskUrl}/widget/v1/session`, {
        method: "POST",
        credentials: "omit",
        cache: "no-store",
        headers: { "Content-Type": "application/json" },
        signal: limit.signal,
        body: JSON.stringify({
          site_key: this.site.siteKey,
          language: this.site.language === "zh" ? "zh-hans" : this.site.language,
          ...(this.site.region && { region: this.site.region }),
          ...(resume !== null && { resume_token: resume }),
          ...(identity !== null && { identity_jwt: identity }),
        }),
      });
    } catch {
      if (limit.signal.aborted) throw new SessionUnavailable();
      return null;
    } finally {
      timer.cancel();
    }
  }

  private read(value: unknown): SessionInfo {
    const raw = fields(value);
    const token = textOr(raw["token"]);
    const conversation = textOr(raw["conversation"]);
    if (token === null || conversation === null) throw new Malformed();
    const resume = textOr(raw["resume_token"]);
    if (resume !== null) this.store.set(RESUME, resume);
    const site = raw["site"] === undefined ? {} : fields(raw["site"]);
    const limits = raw["limits"] === undefined ? {} : fields(raw["limits"]);
    const welcome = Object.entries(fields(site["welcome"] ?? {})).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    return {
      token,
      conversation,
      expiresAt: this.environment.now() + (numberOr(raw["expires_in"]) ?? 600) * 1000,
      mode: modeOr(raw["mode"]) ?? "bot",
      headSeq: numberOr(raw["head_seq"]) ?? 0,
      socketPath: textOr(raw["socket_url_path"]) ?? "/widget/v1/socket",
      siteName: textOr(site["name"]) ?? "",
      welcome: Object.fromEntries(welcome),
      textLimit: numberOr(limits["text"]) ?? 4000,
    };
  }
}
