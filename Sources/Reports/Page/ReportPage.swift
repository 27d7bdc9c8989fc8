import Quantities

/// What a command found, as one page that explains itself: the verdict first, then what it was computed
/// from, then sections of pictures, each with its numbers beside it.
///
/// It is made once, from the very figures that `--json` prints; `text` writes it for a terminal, `html` as one
/// file that needs nothing else. A terminal shows no pictures, and of tables what fits its width.
public struct ReportPage: Sendable {
  /// A setting or a file behind the figures.
  public struct Input: Sendable {
    /// Where a terminal shows it: what was moved under the verdict, what was assumed at the end.
    public enum Place: Sendable {
      case head, foot
    }

    public var name: String
    public var text: String
    /// Lines that are folded away until somebody asks.
    public var details: [String]
    /// Where a terminal shows it, with its details in place of `text`; nil where it does not.
    public var place: Place?
    /// Whether a terminal shows all of it, however long it is.
    public var isWhole = false

    public init(_ name: String, _ text: String, details: [String] = [], in place: Place? = nil) {
      (self.name, self.text, self.details, self.place) = (name, text, details, place)
    }
  }

  /// A figure that everybody asks for first.
  public struct Fact: Sendable {
    public var name: String
    public var figure: ReportFigure
    /// A few words beneath.
    public var note: String

    public init(_ name: String, _ figure: ReportFigure, note: String = "") {
      (self.name, self.figure, self.note) = (name, figure, note)
    }
  }

  /// A question with its answer.
  public struct Section: Sendable {
    public var title: String
    /// What the reader sees, in a sentence or two.
    public var lead: String
    public var blocks: [ReportBlock]

    public init(_ title: String, lead: String = "", _ blocks: [ReportBlock]) {
      (self.title, self.lead, self.blocks) = (title, lead, blocks)
    }
  }

  /// The subcommand: `simulate`.
  public var command: String
  /// The words of the command line, the program's own name first.
  public var words: [String] = []
  /// What came out, in one sentence.
  public var verdict: String
  /// What else must be said at once.
  public var remarks: [String] = []
  public var facts: [Fact] = []
  public var inputs: [Input] = []
  public var sections: [Section] = []
  /// The most lines of the text, where tables that may be thinned give way; nil for any number.
  public var mostLines: Int?
  /// All figures, as `--json` prints them.
  public var json: String

  /// An empty page about figures that are JSON already.
  public init(_ command: String, verdict: String, json: String) {
    (self.command, self.verdict, self.json) = (command, verdict, json)
  }

  /// An empty page about `figures`.
  public init(_ command: String, verdict: String, figures: some Encodable) throws {
    self.command = command
    self.verdict = verdict
    json = try jsonLine(figures)
  }
}

/// A part of a section.
///
/// Paragraphs and tables are for every reader; what needs a window is left out of the text.
public enum ReportBlock: Sendable {
  /// Paragraphs.
  case text([String])
  case picture(any PagePicture)
  case table(ReportTable)
  /// Blocks of which one is seen at a time, by the names among which the reader chooses.
  case choice(ReportChoice)
  /// Lines that are folded away behind a title.
  case folded(String, [String])
}

/// Things of which one is seen at a time.
public struct ReportChoice: Sendable {
  public var title: String
  public var options: [(name: String, blocks: [ReportBlock])]
  /// The option that is seen first.
  public var first = 0
  /// Its tables belong to pictures: a terminal, which shows all options below each other, shows none of them.
  public var isAside = false
  /// What the kinds of a picture's spans choose here; see `LanePicture.chooses`.
  public var identifier: String?

  public init(_ title: String, _ options: [(name: String, blocks: [ReportBlock])], first: Int = 0) {
    (self.title, self.options, self.first) = (title, options, first)
  }
}

/// A figure as people read it, with the number behind it.
public struct ReportFigure: Sendable {
  public var text: String
  /// What it is sorted by, in SI units; nil for words.
  public var value: Double?
  /// Where the JSON has the number: `split_seconds.bubble`.
  public var key: String?

  public init(_ text: String, _ value: Double? = nil, key: String? = nil) {
    (self.text, self.value, self.key) = (text, value, key)
  }

  /// Seconds with three decimals.
  static func seconds(_ value: Double, key: String? = nil) -> ReportFigure {
    ReportFigure(fixed(value, decimals: 3), value, key: key)
  }

  /// Bytes in GiB with one decimal.
  static func gibibytes(_ bytes: Int, key: String? = nil) -> ReportFigure {
    ReportFigure(fixed(Double(bytes) / 0x1p30, decimals: 1), Double(bytes), key: key)
  }

  /// A share in percent with one decimal.
  static func share(_ value: Double, key: String? = nil) -> ReportFigure {
    ReportFigure(percent(value), value, key: key)
  }

  static func count(_ value: Int, key: String? = nil) -> ReportFigure {
    ReportFigure(grouped(value), Double(value), key: key)
  }
}

/// A picture that writes itself as HTML around an SVG.
public protocol PagePicture: Sendable {
  /// - Parameter writer: keeps the names that the page holds once.
  func html(_ writer: inout PageWriter) -> String
}
