import Documents

/// The share of a completion's letters that are of the right script: consistency of language.
///
/// DeepSeek-R1's reward is the share of words in the target language (arXiv 2501.12948, section 2.3.2);
/// a script is what a program sees without a dictionary. Languages that share one are not told apart.
public struct LanguageRule: RewardRule {
  /// A script, by the blocks of Unicode that its letters stand in.
  public enum Script: String, CaseIterable, Sendable {
    case latin, greek, cyrillic, hebrew, arabic, devanagari, thai, japanese, korean, chinese

    /// The blocks (Unicode 16, Blocks.txt).
    var blocks: [ClosedRange<UInt32>] {
      switch self {
      case .latin: [0x41...0x24F, 0x1E00...0x1EFF, 0x2C60...0x2C7F, 0xA720...0xA7FF]
      case .greek: [0x370...0x3FF, 0x1F00...0x1FFF]
      case .cyrillic: [0x400...0x52F, 0x1C80...0x1C8F, 0x2DE0...0x2DFF, 0xA640...0xA69F]
      case .hebrew: [0x590...0x5FF]
      case .arabic: [0x600...0x6FF, 0x750...0x77F, 0x870...0x8FF]
      case .devanagari: [0x900...0x97F, 0xA8E0...0xA8FF]
      case .thai: [0xE00...0xE7F]
      // Chinese characters are letters of Japanese, too.
      case .japanese: [0x3040...0x30FF, 0x31F0...0x31FF] + Self.chinese.blocks
      case .korean: [0x1100...0x11FF, 0x3130...0x318F, 0xAC00...0xD7A3]
      case .chinese: [0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x323AF]
      }
    }
  }

  /// The script of every prompt; nil where each names its own in the field `script`.
  private let script: Script?

  public init(script: Script? = nil) { self.script = script }

  public var neededField: String? { script == nil ? "script" : nil }

  /// A completion without a letter has none of the right script: 0.
  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    let blocks = try (script ?? Self.script(of: prompt)).blocks
    let letters = completion.unicodeScalars.filter(\.properties.isAlphabetic)
    guard !letters.isEmpty else { return 0 }
    let right = letters.count { letter in blocks.contains { $0.contains(letter.value) } }
    return Double(right) / Double(letters.count)
  }

  private static func script(of prompt: TaskPrompt) throws(RewardFailure) -> Script {
    let name = try prompt.text(of: "script")
    guard let script = Script(rawValue: name) else {
      throw RewardFailure("the prompt's script is none that is known: \(printable(name))")
    }
    return script
  }
}
