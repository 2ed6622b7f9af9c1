"""The function that makes, adopts, stops and removes jobs when CloudFormation asks for it."""
