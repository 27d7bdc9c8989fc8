/// The name among `candidates` that a person who wrote `name` most likely meant, if one is near.
///
/// Near means an edit distance (insert, delete, replace, swap two neighbours, letter case and `-`
/// against `_` free) of at most a third of the longer length, and at least one. The first of equals
/// wins; where none is near, the only one that has all words of `name`. Time grows with the product of the lengths; names over 64 characters have no neighbour.
public func nearestName(to name: String, among candidates: [String]) -> String? {
  let wanted = folded(name)
  guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
  var best: (name: String, distance: Int)?
  for candidate in candidates {
    let letters = folded(candidate)
    guard letters.count <= 64 else { continue }
    let allowed = max(1, max(wanted.count, letters.count) / 3)
    guard abs(wanted.count - letters.count) <= allowed else { continue }
    let distance = editDistance(wanted, letters)
    if distance <= allowed, distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.name ?? onlyName(holding: wanted, among: candidates)
}

/// The one name that has all words of `wanted` among its own: `num-hidden-layers` for `num-layers`.
private func onlyName(holding wanted: [UInt8], among candidates: [String]) -> String? {
  func words(_ letters: [UInt8]) -> Set<ArraySlice<UInt8>> {
    Set(letters.split { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") })
  }
  let all = words(wanted)
  guard !all.isEmpty else { return nil }
  let holding = Set(candidates.filter { all.isSubset(of: words(folded($0))) })
  return holding.count == 1 ? holding.first : nil
}

private func folded(_ name: String) -> [UInt8] {
  name.utf8.map { byte in
    if byte == UInt8(ascii: "_") { return UInt8(ascii: "-") }
    return byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }
}

/// Damerau's distance restricted to swaps of untouched neighbours.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var beforeLast = [Int](repeating: 0, count: right.count + 1)
  var last = Array(0...right.count)
  for row in 1...max(1, left.count) where row <= left.count {
    var current = [row] + [Int](repeating: 0, count: right.count)
    for column in 1...max(1, right.count) where column <= right.count {
      let change = left[row - 1] == right[column - 1] ? 0 : 1
      var distance = min(
        last[column] + 1, current[column - 1] + 1, last[column - 1] + change)
      if row > 1, column > 1, left[row - 1] == right[column - 2],
        left[row - 2] == right[column - 1]
      {
        distance = min(distance, beforeLast[column - 2] + 1)
      }
      current[column] = distance
    }
    (beforeLast, last) = (last, current)
  }
  return last[right.count]
}
