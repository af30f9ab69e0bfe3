//! Nothing: the tests beside it look at the house itself.
