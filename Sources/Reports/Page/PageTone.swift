import Schedules

/// A colour of a page, by what it stands for; it is the same in every picture.
public struct PageTone: Hashable, Codable, Sendable {
  /// The name of its class in the style sheet.
  public let name: String

  private init(_ name: String) { self.name = name }

  /// A pass; the tint tells the stages of a rank apart, from 0.
  public static func pass(_ pass: Action.Pass, tint: Int = 0) -> PageTone {
    PageTone("\(pass.rawValue)\(min(max(0, tint), 3))")
  }

  public static let optimizer = PageTone("opt")
  public static let bubble = PageTone("bub")
  public static let waiting = PageTone("wai")
  public static let exposed = PageTone("exp")
  public static let hidden = PageTone("hid")
  public static let transfer = PageTone("tra")
  /// The accent of the page.
  public static let accent = PageTone("acc")
  public static let pale = PageTone("pal")

  public static let parameters = PageTone("m0")
  public static let gradients = PageTone("m1")
  public static let optimizerState = PageTone("m2")
  public static let workspace = PageTone("m3")
  public static let activations = PageTone("m4")
  public static let communication = PageTone("m5")

  /// One of several lines of a picture.
  public static func series(_ index: Int) -> PageTone { PageTone("s\(index % seriesCount)") }
  public static let seriesCount = 6

  /// The classes of the passes, in the colours of every schedule's picture.
  static let styles: String = Action.Pass.allCases.map { pass in
    (0...3).map { tint in
      let colour = Tone(pass, tint: tint).fill
      return ".\(PageTone.pass(pass, tint: tint).name){fill:\(colour);background-color:\(colour)}"
    }.joined()
  }.joined(separator: "\n")
}
