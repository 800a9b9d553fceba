//! Gradient flow in the theory: Mercer's modes, the response to one training triple, the closures' limits and the share of a random
//! initial function, each against plain computations on the quadrature's own nodes taken as the population.

mod limits;
mod oracles;
mod population;
