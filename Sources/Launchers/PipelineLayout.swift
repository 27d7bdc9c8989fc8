/// What lies on each pipeline stage, as Megatron-Core's layout strings have it: `Et|(tt|)*30mL`.
///
/// `E` embedding, `t` layer, `m` prediction module, `L` loss with the head; a bar ends a stage, `*n` repeats
/// what is in brackets or the one letter in front of it, commas mean nothing
/// (Megatron-LM d98e8a6, core/transformer/pipeline_parallel_layer_layout.py).
package struct PipelineLayout: Hashable, Sendable {
  /// The letters of each stage, the first of the pipeline first.
  package var stages: [String]

  /// Units on each stage: embedding, layers, head and prediction modules.
  package var unitCounts: [Int] { stages.map(\.count) }

  package func count(_ letter: Character) -> Int {
    stages.reduce(0) { $0 + $1.count { $0 == letter } }
  }

  package init(stages: [String]) { self.stages = stages }

  /// Reads a layout string; nil where it is none.
  package init?(_ text: String) {
    let plain = text.filter { !$0.isWhitespace && $0 != "," && $0 != "'" && $0 != "\"" }
    guard plain.utf8.count <= 1 << 16, let inner = Self.unrolled(plain) else { return nil }
    guard inner.allSatisfy({ "EtmL|".contains($0) }) else { return nil }
    stages = inner.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
  }

  /// The text with repetitions written out.
  private static func unrolled(_ text: String) -> String? {
    var result: [Character] = []
    var group: [Character]?
    var last: [Character] = []
    var characters = Array(text)[...]
    while let next = characters.popFirst() {
      switch next {
      case "(":
        guard group == nil else { return nil }
        group = []
      case ")":
        guard let own = group, characters.first == "*" else { return nil }
        (group, last) = (nil, own)
        result += own
      case "*":
        let digits = characters.prefix { $0.isNumber }
        characters = characters.dropFirst(digits.count)
        guard let count = Int(String(digits)), count <= 1 << 16,
          last.count * count <= 1 << 16
        else { return nil }
        // What is repeated stands there once already.
        var target = group ?? result
        target.removeLast(min(last.count, target.count))
        target += (0..<count).flatMap { _ in last }
        if group != nil { group = target } else { result = target }
        last = []
      default:
        if group != nil { group?.append(next) } else { result.append(next) }
        last = [next]
      }
    }
    return group == nil ? String(result) : nil
  }

  /// The string that says the same, repeated stages put together.
  package var text: String {
    var parts: [String] = []
    var index = 0
    while index < stages.count {
      var end = index
      while end < stages.count, stages[end] == stages[index] { end += 1 }
      // The last stage has no bar behind it.
      let whole = end == stages.count ? end - 1 : end
      if whole - index > 1, !stages[index].isEmpty {
        parts.append("(\(stages[index])|)*\(whole - index)")
        index = whole
      } else {
        parts.append(stages[index] + (index < stages.count - 1 ? "|" : ""))
        index += 1
      }
    }
    return parts.joined()
  }
}
