/** What a person has typed wrongly: the sentence, behind which the help is named. */
export class HmpSyntaxError extends Error {}
