/// Layers of one block each, as Megatron-LM spells them in one line: `M*M-|M*ME/*E`.
///
/// M is a state-space layer, * attention, - a dense block, E experts. Bars end pipeline stages; a slash begins the
/// layers of a prediction module (Megatron-LM d98e8a64, `hybrid_layer_allocation.py`).
struct HybridPattern: Hashable, Sendable {
  /// What each layer is.
  var layers: [Character]
  /// Layers between bars, in order; one number where there are none.
  var segments: [Int]
  /// Prediction modules behind the layers.
  var modules = 0

  /// What Megatron-LM has letters for and no model here describes.
  private static let others: [Character: String] = [
    "G": "a gated delta rule", "D": "sparse attention", "+": "latent attention",
  ]

  /// Why a text is no pattern.
  struct Refusal: Error {
    var rule: String
  }

  /// Reads a pattern.
  init(_ text: String) throws(Refusal) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let main = parts[0].split(separator: "|", omittingEmptySubsequences: false)
    for letter in parts.joined() where !"M*-E|".contains(letter) {
      if let other = Self.others[letter] {
        throw Refusal(rule: "\(letter) asks for \(other), which no hybrid model of sluice has")
      }
      throw Refusal(rule: "has \(letter); a layer is M, *, - or E")
    }
    guard !main.contains(where: \.isEmpty) else {
      throw Refusal(rule: "has a stage without layers")
    }
    let own = parts.dropFirst()
    guard Set(own).count <= 1 else {
      throw Refusal(rule: "prediction modules must all have the same layers")
    }
    guard !own.joined().contains("|") else {
      throw Refusal(rule: "a prediction module is on one stage")
    }
    layers = Array(main.joined())
    segments = main.map(\.count)
    modules = own.first?.isEmpty == false ? own.count : 0
  }

  /// Layers spread by shares of attention and of dense blocks, as Megatron-LM did before it had patterns: attention
  /// evenly, state-space layers at both ends, then dense blocks evenly in place of state-space layers.
  init(layers count: Int, attention: Double, dense: Double) {
    let attentionCount = Int((Double(count) * attention).rounded(.toNearestOrEven))
    let denseCount = Int((Double(count) * dense).rounded(.toNearestOrEven))
    layers = .init(repeating: "M", count: count)
    segments = [count]
    let stateSpace = count - attentionCount
    spread("*", every: Double(stateSpace) / Double(attentionCount + 1))
    guard denseCount > 0 else { return }
    spread("-", every: Double(stateSpace - denseCount) / Double(denseCount))
  }

  /// Puts a kind in place of state-space layers, after so many of them each.
  private mutating func spread(_ kind: Character, every distance: Double) {
    var left = distance
    for index in layers.indices where layers[index] == "M" {
      if left < 0.5 {
        layers[index] = kind
        left += distance
      } else {
        left -= 1
      }
    }
  }

  /// How many layers are of a kind.
  func count(_ kind: Character) -> Int { layers.count { $0 == kind } }

  /// The layers in one line, without stages.
  var text: String { String(layers) }

  /// The layers with a bar between stages of so many layers.
  func text(stages: [Int]) -> String {
    var rest = layers[...]
    return stages.map { count in
      defer { rest = rest.dropFirst(count) }
      return String(rest.prefix(count))
    }.joined(separator: "|")
  }
}
