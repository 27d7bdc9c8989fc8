import Costs

extension Array<EqualRows<MeasuredProduct>> {
  /// Products of each pass by their sides, there and back: by depth, of equal depth by columns, of equal columns
  /// by rows, and each inner side up and down in turn.
  ///
  /// Of this order every second product has neighbours of the other half along each side, and no half lacks a
  /// depth or a width. In a file's own order it may: tables that go through pairs of widths for each number of rows
  /// fit every second width and predict the others.
  ///
  /// Complexity: O(n log n).
  var inTurns: [EqualRows<MeasuredProduct>] {
    let passes = Dictionary(grouping: self) { Kind($0.first.shape) }
    return passes.sorted { $0.key < $1.key }.flatMap { turned($0.value, by: sides) }
  }

  private var sides: [(MatmulShape) -> Int] {
    [{ $0.depth }, { $0.columns }, { $0.rows.count }, { $0.rows.max() ?? 0 }]
  }
}

/// Products that a library carries out alike.
private struct Kind: Hashable, Comparable {
  var pass: Int
  var accumulates: Bool

  init(_ shape: MatmulShape) {
    pass = MatmulPass.allCases.firstIndex(of: shape.pass) ?? 0
    accumulates = shape.accumulates
  }

  static func < (first: Kind, second: Kind) -> Bool {
    (first.pass, first.accumulates ? 1 : 0) < (second.pass, second.accumulates ? 1 : 0)
  }
}

/// Products by their first side upwards; those of equal first side by the others, backwards in every second group.
private func turned(
  _ products: [EqualRows<MeasuredProduct>], by sides: [(MatmulShape) -> Int]
) -> [EqualRows<MeasuredProduct>] {
  guard let first = sides.first else { return products }
  let groups = Dictionary(grouping: products) { first($0.first.shape) }
  return groups.sorted { $0.key < $1.key }.enumerated().flatMap { place, group in
    let inner = turned(group.value, by: Array(sides.dropFirst()))
    return place.isMultiple(of: 2) ? inner : inner.reversed()
  }
}
