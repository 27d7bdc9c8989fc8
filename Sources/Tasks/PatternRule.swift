import Documents
import Foundation

/// 1 for an answer that a regular expression matches.
///
/// Matching goes back and tries again, which some patterns do more often than any machine has time for:
/// it is given up after a number of steps, the same on every machine, and the rule fails.
public struct PatternRule: RewardRule {
  /// What is matched: the whole answer, or some part of it.
  public enum Extent: String, CaseIterable, Sendable {
    case whole, anywhere
  }

  private let expression: NSRegularExpression
  private let extent: Extent
  private let place: AnswerPlace

  /// The longest pattern in bytes.
  static let longestPattern = 4096
  /// How often the matcher may report that it is still at work: every 10,000 steps.
  static let mostReports = 100

  /// - Returns: nil for a pattern that is none or that is too long.
  public init?(pattern: String, extent: Extent = .whole, place: AnswerPlace = .whole) {
    guard pattern.utf8.count <= Self.longestPattern,
      let expression = try? NSRegularExpression(
        pattern: extent == .whole ? "\\A(?:\(pattern))\\z" : pattern),
      // Parentheses that only balance around each other are no pattern.
      (try? NSRegularExpression(pattern: pattern)) != nil
    else { return nil }
    (self.expression, self.extent, self.place) = (expression, extent, place)
  }

  /// What is wrong with a pattern that is none, as the end of a sentence about it.
  static func fault(of pattern: String) -> String {
    if pattern.utf8.count > longestPattern { return "is longer than \(longestPattern) bytes" }
    var (open, isSet, isEscaped) = (0, false, false)
    for character in pattern {
      if isEscaped {
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else if isSet {
        isSet = character != "]"
      } else if character == "[" {
        isSet = true
      } else if character == "(" {
        open += 1
      } else if character == ")" {
        open -= 1
        if open < 0 { return "is not a regular expression: ) closes nothing" }
      }
    }
    if isEscaped { return "is not a regular expression: nothing stands behind its last \\" }
    if isSet { return "is not a regular expression: [ is not closed" }
    if open > 0 { return "is not a regular expression: ( is not closed" }
    if let first = pattern.first, "*+?{".contains(first) {
      return "is not a regular expression: \(first) has nothing in front of it to repeat"
    }
    return "is not a regular expression in ICU's syntax"
  }

  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    guard let answer = place.answer(in: completion) else { return 0 }
    var isFound = false
    var reports = 0
    let whole = NSRange(answer.startIndex..., in: answer)
    expression.enumerateMatches(in: answer, options: .reportProgress, range: whole) {
      result, _, stop in
      if result == nil { reports += 1 } else { isFound = true }
      if isFound || reports > Self.mostReports { stop.pointee = true }
    }
    guard isFound || reports <= Self.mostReports else {
      throw RewardFailure(
        "the pattern was given up after \(Self.mostReports * 10_000) steps of matching")
    }
    return isFound ? 1 : 0
  }
}
