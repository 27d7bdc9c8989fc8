import Models

/// Which units of a model have equal programs: layers are large to compare, so that it is done once.
struct UnitShapes: Sendable {
  /// What of a unit decides its programs.
  struct Shape: Hashable, Sendable {
    /// The first unit of the model that is like it.
    var first: Unit
    /// Whether there are no experts in it for certain.
    var isPlain: Bool
  }

  /// By layer.
  private let layers: [Shape]

  /// Complexity: the layers of a model times the kinds of them.
  init(_ architecture: Architecture) {
    var kinds: [Int] = []
    layers = architecture.layers.indices.map { index in
      let layer = architecture.layers[index]
      let known = kinds.first { architecture.layers[$0] == layer }
      if known == nil { kinds.append(index) }
      return Shape(first: .layer(known ?? index), isPlain: layer.feedForward.mixture == nil)
    }
  }

  func shape(of unit: Unit) -> Shape {
    switch unit {
    case .layer(let index): layers[index]
    case .embedding, .head: Shape(first: unit, isPlain: true)
    case .multiTokenPrediction: Shape(first: unit, isPlain: false)
    }
  }
}
