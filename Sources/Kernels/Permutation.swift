// Rows are copied into the order of their experts, so that each expert's rows lie together, and their
// results are weighted and added back. A slot is one choice of one row: slot = row * chosen + j. A
// slot whose expert is -1 is not here (it belongs to another rank) and takes no part.

/// The stable order of slots by expert.
///
/// - Parameters:
///   - order: (slots here), the slot at each permuted row; positions: (rows * chosen), the permuted
///     row of each slot or -1; counts: (experts), rows of each expert.
///   - experts: (rows * chosen), each below `expertCount`, or -1.
/// - Returns: the number of permuted rows.
@discardableResult
public func expertOrder(
  order: UnsafeMutablePointer<Int32>, positions: UnsafeMutablePointer<Int32>,
  counts: UnsafeMutablePointer<Int32>, experts: UnsafePointer<Int32>, rows: Int, chosen: Int,
  expertCount: Int
) -> Int {
  precondition(rows >= 0 && chosen > 0 && expertCount > 0, "there are experts to choose from")
  counts.update(repeating: 0, count: expertCount)
  for slot in 0..<rows * chosen where experts[slot] >= 0 {
    precondition(experts[slot] < expertCount, "an expert's number lies in range")
    counts[Int(experts[slot])] += 1
  }
  var next = [Int](repeating: 0, count: expertCount)
  var total = 0
  for expert in 0..<expertCount {
    next[expert] = total
    total += Int(counts[expert])
  }
  for slot in 0..<rows * chosen {
    guard experts[slot] >= 0 else {
      positions[slot] = -1
      continue
    }
    let position = next[Int(experts[slot])]
    next[Int(experts[slot])] += 1
    order[position] = Int32(slot)
    positions[slot] = Int32(position)
  }
  return total
}

/// out (permuted, columns) = the row of x (rows, columns) that each permuted row comes from.
public func permuteForward(
  _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, order: UnsafePointer<Int32>,
  permuted: Int, chosen: Int, columns: Int
) {
  precondition(permuted >= 0 && chosen > 0 && columns > 0, "rows have columns")
  for position in 0..<permuted {
    let row = Int(order[position]) / chosen
    copy(out + position * columns, x + row * columns, count: columns)
  }
}

/// inputGradient (rows, columns) = the sum of a row's permuted gradients, in the order of slots.
///
/// With `accumulate` it is added to. outGradient is (permuted, columns).
public func permuteBackward(
  _ inputGradient: UnsafeMutablePointer<Float>, _ outGradient: UnsafePointer<Float>,
  positions: UnsafePointer<Int32>, rows: Int, chosen: Int, columns: Int, accumulate: Bool = false
) {
  precondition(rows >= 0 && chosen > 0 && columns > 0, "rows have columns")
  for row in 0..<rows {
    let target = inputGradient + row * columns
    if !accumulate { fill(target, with: 0, count: columns) }
    for slot in row * chosen..<(row + 1) * chosen where positions[slot] >= 0 {
      add(target, target, outGradient + Int(positions[slot]) * columns, count: columns)
    }
  }
}

/// out (rows, columns) = each row's expert results times their weights, in the order of slots.
///
/// - Parameters:
///   - x: (permuted, columns), results in permuted order; weights: (rows, chosen).
public func combineForward(
  _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
  positions: UnsafePointer<Int32>, rows: Int, chosen: Int, columns: Int, accumulate: Bool = false
) {
  precondition(rows >= 0 && chosen > 0 && columns > 0, "rows have columns")
  for row in 0..<rows {
    let target = out + row * columns
    if !accumulate { fill(target, with: 0, count: columns) }
    for slot in row * chosen..<(row + 1) * chosen where positions[slot] >= 0 {
      addScaled(target, x + Int(positions[slot]) * columns, by: weights[slot], count: columns)
    }
  }
}

/// Gradients of the combination with respect to the results and the weights, both overwritten.
///
/// - Parameters:
///   - inputGradient: (permuted, columns); weightGradient: (rows, chosen), 0 for absent slots.
///   - outGradient: (rows, columns); x: (permuted, columns), as in the forward pass.
public func combineBackward(
  _ inputGradient: UnsafeMutablePointer<Float>, weights weightGradient: UnsafeMutablePointer<Float>,
  _ outGradient: UnsafePointer<Float>, _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
  positions: UnsafePointer<Int32>, rows: Int, chosen: Int, columns: Int
) {
  precondition(rows >= 0 && chosen > 0 && columns > 0, "rows have columns")
  for row in 0..<rows {
    let dy = outGradient + row * columns
    for slot in row * chosen..<(row + 1) * chosen {
      guard positions[slot] >= 0 else {
        weightGradient[slot] = 0
        continue
      }
      let offset = Int(positions[slot]) * columns
      weightGradient[slot] = dot(dy, x + offset, count: columns)
      scale(inputGradient + offset, dy, by: weights[slot], count: columns)
    }
  }
}
