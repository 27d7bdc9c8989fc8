import Quantities
import Testing

@Suite struct ArithmeticTests {
  @Test func unitsCombine() {
    #expect(ByteCount(400) / BytesPerSecond(200) == Seconds(2))
    #expect(ByteCount(400) / Seconds(2) == BytesPerSecond(200))
    #expect(BytesPerSecond(200) * Seconds(2) == ByteCount(400))
    #expect(FLOPCount(6) / FLOPsPerSecond(2) == Seconds(3))
    #expect(FLOPsPerSecond(2) * Seconds(3) == FLOPCount(6))
    #expect(ByteCount(3) * 4 - ByteCount(2) == ByteCount(10))
    #expect(ByteCount(3) / ByteCount(2) == 1.5)
    #expect(Seconds(1) < Seconds(2))
    #expect([Seconds(1), Seconds(2)].reduce(.zero, +) == Seconds(3))
  }

  @Test func clockRoundsOnce() {
    #expect(Picoseconds(Seconds(2.5e-12)).count == 2)
    #expect(Picoseconds(Seconds(1e-6)).count == 1_000_000)
    #expect(Instant.start + Picoseconds(5) - Instant.start == Picoseconds(5))
    #expect(Instant(picoseconds: 7).description == "7 ps")
    #expect(Picoseconds(1_500_000).seconds == Seconds(1.5e-6))
  }

  @Test func overflowEndsTheProgram() async {
    await #expect(processExitsWith: .failure) { _ = Picoseconds(Seconds(1e7)) }
    await #expect(processExitsWith: .failure) { print(Instant.distantFuture + Picoseconds(1)) }
    await #expect(processExitsWith: .failure) { _ = Seconds(.nan) }
  }

  @Test func namesSpelledAlike() {
    let names = ["tensor-parallel", "pipeline-parallel", "data-parallel", "zero-stage"]
    #expect(nearestName(to: "tensor-paralel", among: names) == "tensor-parallel")
    #expect(nearestName(to: "zero_stage", among: names) == "zero-stage")
    #expect(nearestName(to: "dtaa-parallel", among: names) == "data-parallel")
    #expect(nearestName(to: "banana", among: names) == nil)
    #expect(nearestName(to: "", among: names) == nil)
    #expect(nearestName(to: String(repeating: "x", count: 1 << 20), among: names) == nil)
    #expect(nearestName(to: "a", among: ["b", "c"]) == "b")
  }

  /// Formats go by other names elsewhere, one edit from names of others.
  @Test func formatsByOtherNames() {
    let names = ["float32", "tf32", "float16", "bf16", "fp8-tensor"]
    #expect(nearestName(to: "bfloat16", among: names) == "bf16")
    #expect(nearestName(to: "BFloat16", among: names) == "bf16")
    #expect(nearestName(to: "fp16", among: names) == "float16")
    #expect(nearestName(to: "float61", among: names) == "float16")
    // Where there is no such format, the nearest spelling is.
    #expect(nearestName(to: "bfloat16", among: ["float16"]) == "float16")
  }

  /// What begins with what was written goes before what contains it, and both before what is spelled alike.
  @Test func namesThatBeginOrContain() {
    let names = ["qwen3-32b", "qwen3-235b-a22b", "llama-3-8b", "tensor-parallel", "data-parallel"]
    #expect(nearestName(to: "qwen3-235b", among: names) == "qwen3-235b-a22b")
    #expect(nearestName(to: "Qwen", among: names) == "qwen3-32b or qwen3-235b-a22b")
    #expect(nearestName(to: "qwen3-33b", among: names) == "qwen3-32b")
    #expect(nearestName(to: "235b", among: names) == "qwen3-235b-a22b")
    #expect(nearestNames(to: "parallel", among: names) == ["data-parallel", "tensor-parallel"])
    #expect(nearestName(to: "qw", among: names) == nil)
    #expect(nearestNames(to: "name", among: (0..<20).map { "name-\($0)" }).count == 6)
    #expect(alternatives(["a", "b", "c"]) == "a, b or c" && alternatives([]) == nil)
  }
}
