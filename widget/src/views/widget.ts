import { paletteOf, rgbRead, rgbWrite } from "../accent";
import type { Config } from "../config";
import { Desk } from "../desk";
import { browserEnvironment } from "../environment";
import { LANG_TAG, MESSAGES } from "../i18n";
import type { Identity } from "../session";
import { browserStore } from "../storage";
import chatStyles from "../styles/chat.css";
import frameStyles from "../styles/frame.css";
import partsStyles from "../styles/parts.css";
import { Viewport } from "../viewport";
import { element } from "./dom";
import { Launcher } from "./launcher";
import { Panel } from "./panel";

/** `<support-desk>`: everything lives in its shadow root, away from the shop's styles. */
export class SupportDeskElement extends HTMLElement {
  private parts: Parts | null = null;

  /** Builds the widget; once. */
  begin(config: Config): void {
    this.parts ??= new Parts(this, config);
  }

  show(text: string): void {
    this.parts?.open(true);
    if (text !== "") this.parts?.suggest(text);
  }

  hide(): void {
    this.parts?.close();
  }

  identify(identity: Identity | null): void {
    this.parts?.desk.identify(identity);
  }
}

class Parts {
  readonly desk: Desk;
  private readonly root: HTMLElement;
  private readonly launcher: Launcher;
  private readonly panel: Panel;
  private readonly viewport: Viewport;
  private readonly dark = window.matchMedia("(prefers-color-scheme: dark)");
  private readonly reduced = window.matchMedia("(prefers-reduced-motion: reduce)");
  private readonly environment = browserEnvironment();
  private before: Element | null = null;

  constructor(
    host: SupportDeskElement,
    private readonly config: Config,
  ) {
    const messages = MESSAGES[config.language];
    this.desk = new Desk(this.environment, browserStore(config.siteKey), config);
    this.launcher = new Launcher(messages, () => (this.panel.open ? this.panel.close() : this.open(true)));
    this.panel = new Panel(
      this.desk,
      messages,
      config.language,
      () => this.reduced.matches || document.hidden,
      () => this.close(),
    );
    this.root = element(
      "div",
      { class: `root ${config.side}`, lang: LANG_TAG[config.language] },
      this.panel.element,
      this.launcher.element,
    );
    const shadow = host.attachShadow({ mode: "open" });
    stylesAdopt(shadow, frameStyles + partsStyles + chatStyles);
    shadow.append(this.root);
    this.viewport = new Viewport(this.root, () => this.arrange());
    this.dark.addEventListener("change", () => this.colour());
    this.colour();
    this.listen();
    this.arrange();
    if (this.desk.hasPast) this.desk.connect();
    if (this.wasOpen && !this.viewport.full) this.open(false);
    this.update();
  }

  open(takeFocus: boolean): void {
    if (this.panel.open) return;
    this.before = document.activeElement;
    this.desk.connect();
    this.panel.show(this.viewport.full, takeFocus);
    this.remember(true);
    this.arrange();
    this.update();
  }

  suggest(text: string): void {
    this.panel.suggest(text);
  }

  close(): void {
    if (!this.panel.open) return;
    this.panel.hide();
    this.remember(false);
    this.arrange();
    this.update();
    const before = this.before;
    if (before instanceof HTMLElement && before !== document.body && before.isConnected && before !== this.host) {
      before.focus();
    } else {
      this.launcher.element.focus();
    }
  }

  private get host(): Element {
    return (this.root.getRootNode() as ShadowRoot).host;
  }

  private listen(): void {
    this.desk.subscribe(() => this.update());
    window.addEventListener("online", () => this.desk.probe());
    window.addEventListener("offline", () => this.desk.lost());
    window.addEventListener("storage", (event) => this.desk.storageChanged(event.key));
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.desk.probe();
      this.update();
    });
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.desk.probe(); // back from the browser's page cache
    });
    setInterval(() => {
      if (this.panel.open && !document.hidden) this.update();
    }, 1000);
  }

  private update(): void {
    this.panel.update(this.environment.now());
    this.launcher.update(this.panel.open, this.desk.unread);
  }

  private arrange(): void {
    if (!(this.viewport as Viewport | undefined)) return; // the viewport reports while it is made
    const full = this.viewport.full;
    this.root.classList.toggle("full", full);
    this.root.classList.toggle("is-open", this.panel.open);
    this.panel.fill(full);
    this.viewport.lock(full && this.panel.open);
  }

  private colour(): void {
    const { theme, accent } = this.config;
    const dark = theme === "dark" || (theme === "auto" && this.dark.matches);
    this.root.classList.toggle("dark", dark);
    if (accent === null) return;
    const probe = element("span");
    probe.style.color = accent;
    this.root.append(probe);
    const rgb = rgbRead(getComputedStyle(probe).color);
    const known = probe.style.color !== "";
    probe.remove();
    if (!rgb || !known) return;
    const palette = paletteOf(rgb, dark ? "dark" : "light");
    this.root.style.setProperty("--accent", rgbWrite(palette.accent));
    this.root.style.setProperty("--accent-ink", rgbWrite(palette.ink));
    this.root.style.setProperty("--accent-soft", rgbWrite(palette.soft));
  }

  /** The chat stays open while the customer goes through the shop's pages in this tab. */
  private remember(open: boolean): void {
    try {
      if (open) sessionStorage.setItem(this.openName, "1");
      else sessionStorage.removeItem(this.openName);
    } catch {
      // Storage is blocked: each page begins with a closed chat.
    }
  }

  private get wasOpen(): boolean {
    try {
      return sessionStorage.getItem(this.openName) === "1";
    } catch {
      return false;
    }
  }

  private get openName(): string {
    return `supportdesk:${this.config.siteKey}:open`;
  }
}

/** A constructable stylesheet passes any Content-Security-Policy; older browsers get an element. */
function stylesAdopt(shadow: ShadowRoot, css: string): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    shadow.append(element("style", {}, css));
  }
}
